/* SPDX-License-Identifier: MIT */
/*
 * What the readers of configurations share: the report of errors, grammars with
 * tables of keys, the index of lines and the values.  For src/app/conf*.c,
 * relay_conf*.c, lab_conf.c and their tests.
 */
#ifndef APP_CONF_PARTS_H
#define APP_CONF_PARTS_H

#include <limits.h>

#include "app/conf.h"

/* --- the report: errors in any order, handed over sorted by line --- */

struct conf_reading;

struct conf_report {
	const char *file;
	struct conf_report_line {
		char *text;
		unsigned line; /* 0: of the whole file; sorted to the end */
		unsigned order;
	} * list;
	size_t n;
	bool lost;  /* memory was short: not every error is in the list */
	bool typed; /* by command: places in the file mean nothing, and are not told */
};

/* "FILE:LINE: " is put in front; characters that do not print become '?'. */
void conf_report_add(struct conf_report *report, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool conf_report_clean(const struct conf_report *report);

/* Gives the lines to errors, sorted, and frees the rest. */
void conf_report_finish(struct conf_report *report, struct conf_errors *errors);

/* --- grammars: what a file of one kind may hold --- */

enum conf_kind {
	CONF_KIND_NAME,	      /* char[WIRE_NAME + 1] */
	CONF_KIND_KEY_FILE,   /* uint8_t[KEX_KEY], from the file that is named */
	CONF_KIND_CIPHER,     /* enum cipher */
	CONF_KIND_LISTEN,     /* struct addr[CONF_LISTEN], and their count */
	CONF_KIND_LOG,	      /* enum log_level */
	CONF_KIND_NUMBER,     /* unsigned */
	CONF_KIND_LARGE,      /* uint64_t */
	CONF_KIND_INTERFACE,  /* char[IFNAMSIZ] */
	CONF_KIND_WORKERS,    /* unsigned: CONF_WORKERS_AUTO, or how many */
	CONF_KIND_MSS,	      /* unsigned: CONF_MSS_OFF, CONF_MSS_PATH, or bytes */
	CONF_KIND_CHOICE,     /* bool: words[0] is true, words[1] false */
	CONF_KIND_WORD,	      /* unsigned: which of words, from 1 */
	CONF_KIND_PUBLIC_KEY, /* uint8_t[KEX_KEY] */
	CONF_KIND_ADDRESSES,  /* char[CONF_ADDRESSES][CONF_HOST], and their count */
	CONF_KIND_PROGRAM,    /* char[CONF_PATH]: an executable; made absolute */
	CONF_KIND_FILE,	      /* char[CONF_PATH]: a file that is to be written */
	CONF_KIND_KEYS,	      /* struct conf_key_list: public keys are added */
	CONF_KIND_KEYS_FILE,  /* the same, from the file that is named */
	CONF_KIND_END,	      /* struct labend */
	CONF_KIND_TRUNK,      /* struct conf_trunk */
	CONF_KIND_IMPAIR,     /* struct conf_impair */
	CONF_KIND_NETDEV,     /* char[CONF_NETDEV] */
	CONF_KIND_TEXT,	      /* char[CONF_TEXT]: any that prints */
	CONF_KIND_NAMES,      /* char[CONF_NAMES][WIRE_NAME + 1], and their count */
	CONF_KIND_INPUT,      /* char[CONF_PATH]: a file that is to be read; made absolute */
};

struct conf_key {
	unsigned section; /* which of the grammar's */
	enum conf_kind kind;
	const char *name;
	const char *title; /* "[section] name" */
	size_t offset;	   /* in the section's object */
	size_t size;
	size_t count; /* in the same: where an unsigned count is, for kinds that have one */
	bool mandatory;
	bool live;	      /* reload may change it */
	const char *hint;     /* of a mandatory one: what to give */
	const char *standard; /* the default as text, or NULL */
	uint64_t min, max;    /* of a number */
	uint16_t port;	      /* of CONF_KIND_LISTEN, without one; 0: WIRE_PORT */
	const char *unit;
	const char *words[5];
};

/* A section is there once and fills the root object; a named one fills an
 * object of its own in a list of the root's, which begins with its name. */
struct conf_section_type {
	const char *name;
	bool named;
	unsigned most;
	size_t list, count; /* in the root; the count is an unsigned */
	size_t size;	    /* of one in the list */
};

struct conf_grammar {
	const struct conf_section_type *sections;
	unsigned n_sections;
	const struct conf_key *keys;
	size_t n_keys;
	size_t root_size;
	size_t file_max;	  /* bytes */
	const char *all;	  /* "[a], [b NAME] and [c]" */
	const char *foreign[4];	  /* sections that show a file of another kind, */
	const char *foreign_hint; /* and what to say then */
	const char *page;	  /* where its keys are told */
};

#define CONF_UNKNOWN UINT_MAX /* no section of the grammar */

/* Of a site. */
enum conf_site_section {
	CONF_NETWORK,
	CONF_SITE,
	CONF_BRIDGE,
	CONF_PORT,
	CONF_RELAY,
	CONF_PEER
};
extern const struct conf_grammar conf_site_grammar;

unsigned conf_section_find(const struct conf_grammar *grammar, const char *name);
const struct conf_key *conf_key_find(const struct conf_grammar *grammar, unsigned section,
				     const char *name);

/* The known one that was probably meant, or CONF_UNKNOWN, or NULL. */
unsigned conf_section_nearest(const struct conf_grammar *grammar, const char *name);
const struct conf_key *conf_key_nearest(const struct conf_grammar *grammar, unsigned section,
					const char *name);

/* A name of a network, site or peer: 1 to WIRE_NAME of a-z 0-9 . _ - */
bool conf_name_valid(const char *name);

/* --- the index: where sections and keys stand --- */

struct conf_section {
	unsigned line;
	unsigned kind;		  /* which of the grammar's, or CONF_UNKNOWN */
	char name[WIRE_NAME + 1]; /* of a named one */
	bool spare;		  /* repeated or misnamed: checked, but counts for nothing */
	unsigned slot;		  /* of a named one, in its list */
	size_t first;		  /* of its entries, if there are any */
};

struct conf_entry {
	unsigned line;
	size_t section;
	const struct conf_key *key; /* known, or the nearest to what was written */
	const char *value;	    /* what follows '=', raw; NULL when it was an error already */
	bool spare;
};

struct conf_index {
	const struct conf_grammar *grammar;
	char *text; /* the file; cut into pieces */
	struct conf_section *sections;
	size_t n_sections;
	struct conf_entry *entries;
	size_t n_entries;
};

/* Reads the file and reports what is wrong with its structure.  False when
 * there is nothing to go on with. */
bool conf_index_read(struct conf_index *index, const struct conf_grammar *grammar,
		     struct conf_report *report);
void conf_index_free(struct conf_index *index);

/* Of a file's sections in turn, what kind says of the first about which it does not say 0;
 * 0 when there is none.  named: "[word NAME]". */
int conf_index_kind(const char *file, size_t file_max, int (*kind)(const char *word, bool named));

/* The file as NUL-terminated text, malloc'd; NULL after saying why. */
char *conf_index_text(struct conf_report *report, size_t file_max, size_t *len);

/* "site", "peer paris" into out.  Returns out. */
#define CONF_TITLE (WIRE_NAME + 16)
const char *conf_section_title(const struct conf_grammar *grammar,
			       const struct conf_section *section, char out[CONF_TITLE]);

/* --- values --- */

/* Where a value stands, for messages. */
struct conf_place {
	struct conf_report *report;
	unsigned line;
	const char *section; /* "site", "peer paris" */
	const struct conf_key *key;
};

/* Checks text and puts the value into the section's object.  Reports what is
 * wrong. */
void conf_value_set(const struct conf_place *place, void *object, const char *text);

/* "[section] key: ..." into the report. */
void conf_value_complain(const struct conf_place *place, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Cuts s into its comma separated items, blanks taken off; up to room of them.
 * Returns how many there are, which may be more than room. */
size_t conf_value_split(char *s, char **items, size_t room);

/* The path of a file that a value names: a mere name is looked for in
 * $CREDENTIALS_DIRECTORY, a relative path beside the configuration file.  False
 * when it is too long. */
bool conf_value_path(const char *file, const char *text, char out[CONF_PATH]);

/* Values of labs. */
void conf_value_set_input(const struct conf_place *place, char out[CONF_PATH], const char *text);
void conf_value_set_text(const struct conf_place *place, char out[CONF_TEXT], const char *text);
void conf_value_set_names(const struct conf_place *place, char (*list)[WIRE_NAME + 1],
			  unsigned *count, const char *text);

/* Adds the public keys in a value, or in the file that it names. */
void conf_key_list_add(const struct conf_place *place, struct conf_key_list *list,
		       const char *text);
void conf_key_list_add_file(const struct conf_place *place, struct conf_key_list *list,
			    const char *text);
void conf_key_list_free(struct conf_key_list *list);

/* Values of ports. */
void conf_value_set_end(const struct conf_place *place, struct labend *out, const char *text);
void conf_value_set_trunk(const struct conf_place *place, struct conf_trunk *out, const char *text);
void conf_value_set_netdev(const struct conf_place *place, char out[CONF_NETDEV], const char *text);
void conf_value_set_impair(const struct conf_place *place, struct conf_impair *out,
			   const char *text);

/* What values of a port must be to each other. */
void conf_check_port(struct conf_reading *r, size_t section);

/* The same of vlan, trunk and native in a section; wire: mode = wire has a say. */
void conf_check_vlans(struct conf_reading *r, size_t section, const struct conf_vlans *vlans,
		      bool wire);

/* iniparser's view of the values: line number to value.  The text is INI with
 * a key "kLINE" for each value; what iniparser complains about is reported. */
struct conf_ini;
struct conf_ini *conf_ini_load(const char *text, size_t len, struct conf_report *report);
const char *conf_ini_value(const struct conf_ini *ini, unsigned line);
void conf_ini_free(struct conf_ini *ini);

/* --- the reading: all of the above over one file --- */

struct conf_reading {
	const struct conf_grammar *grammar;
	struct conf_report report; /* its file is the one that is read */
	struct conf_index index;
	void *root;    /* of grammar->root_size, zero; the caller's */
	void *scratch; /* takes what is spare */
};

/* Fills the root as far as the file allows, and reports what is wrong with
 * single values.  False when there is nothing to compare. */
bool conf_read(struct conf_reading *r);

/* Frees the parts and hands over the errors.  True when there is none. */
bool conf_read_finish(struct conf_reading *r, struct conf_errors *errors);

/* What the root of each kind of file begins with: its path, and what its name names. */
struct conf_root {
	char file[CONF_PATH];
	char instance[WIRE_NAME + 1];
};
#define CONF_ROOT(type)                                                                            \
	_Static_assert(offsetof(type, file) == offsetof(struct conf_root, file) &&                 \
			       offsetof(type, instance) == offsetof(struct conf_root, instance),   \
		       "a root begins so")

/* All of it: a conf_root is read, and its values checked against each other by check.  A
 * root of NULL is an error, too.  True when there is none. */
bool conf_read_file(struct conf_reading *r, void (*check)(struct conf_reading *r),
		    struct conf_errors *errors);

/* Where a section has this key, or NULL; the line where a section that is there
 * once has it, or 0. */
const struct conf_entry *conf_read_entry(const struct conf_reading *r, size_t section,
					 const char *name);
unsigned conf_read_line(const struct conf_reading *r, unsigned kind, const char *name);

/* Of two roots that were read of the same file: true when only live keys differ, or what
 * named sections have; else errors gets a line for each other key. */
bool conf_change_allowed(const struct conf_grammar *grammar, const char *file, const void *a,
			 const void *b, struct conf_errors *errors);

/* What differs, all of it. */
void conf_change_tell(const struct conf_grammar *grammar, const void *a, const void *b,
		      struct conf_changes *out);

#endif
