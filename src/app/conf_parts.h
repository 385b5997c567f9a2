/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the conf room share: the report of errors, the table of
 * keys, the index of lines and the values.  For src/app/conf*.c and their test.
 */
#ifndef APP_CONF_PARTS_H
#define APP_CONF_PARTS_H

#include "app/conf.h"

/* --- the report: errors in any order, handed over sorted by line --- */

struct conf_report {
	const char *file;
	struct conf_report_line {
		char *text;
		unsigned line; /* 0: of the whole file; sorted to the end */
		unsigned order;
	} * list;
	size_t n;
	bool lost; /* memory was short: not every error is in the list */
};

/* "FILE:LINE: " is put in front; characters that do not print become '?'. */
void conf_report_add(struct conf_report *report, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool conf_report_clean(const struct conf_report *report);

/* Gives the lines to errors, sorted, and frees the rest. */
void conf_report_finish(struct conf_report *report, struct conf_errors *errors);

/* --- the table of keys --- */

enum conf_section_kind { CONF_NETWORK, CONF_SITE, CONF_BRIDGE, CONF_PEER, CONF_UNKNOWN };

enum conf_kind {
	CONF_KIND_NAME,	      /* char[WIRE_NAME + 1] */
	CONF_KIND_KEY_FILE,   /* uint8_t[KEX_KEY], from the file that is named */
	CONF_KIND_CIPHER,     /* enum cipher */
	CONF_KIND_LISTEN,     /* struct addr[CONF_LISTEN], and n_listen */
	CONF_KIND_LOG,	      /* enum log_level */
	CONF_KIND_NUMBER,     /* unsigned */
	CONF_KIND_INTERFACE,  /* char[IFNAMSIZ] */
	CONF_KIND_MSS,	      /* unsigned: CONF_MSS_OFF, CONF_MSS_PATH, or bytes */
	CONF_KIND_CHOICE,     /* bool: words[0] is true, words[1] false */
	CONF_KIND_PUBLIC_KEY, /* uint8_t[KEX_KEY] */
	CONF_KIND_ADDRESSES,  /* of a peer, and n_address */
};

struct conf_key {
	enum conf_section_kind section;
	enum conf_kind kind;
	const char *name;
	const char *title; /* "[section] name" */
	size_t offset;	   /* in struct conf, or in struct conf_peer */
	size_t size;
	bool mandatory;
	bool live;	      /* reload may change it */
	const char *hint;     /* of a mandatory one: what to give */
	const char *standard; /* the default as text, or NULL */
	unsigned min, max;    /* of a number */
	const char *unit;
	const char *words[2];
};

#define CONF_KEYS 22
extern const struct conf_key conf_keys[CONF_KEYS];

/* "network", ..., "peer". */
const char *conf_section_name(enum conf_section_kind kind);
enum conf_section_kind conf_section_find(const char *name);
const struct conf_key *conf_key_find(enum conf_section_kind kind, const char *name);

/* The known one that was probably meant, or CONF_UNKNOWN, or NULL. */
enum conf_section_kind conf_section_nearest(const char *name);
const struct conf_key *conf_key_nearest(enum conf_section_kind kind, const char *name);

/* A name of a network, site or peer: 1 to WIRE_NAME of a-z 0-9 . _ - */
bool conf_name_valid(const char *name);

/* "site", "peer paris" into out.  Returns out. */
#define CONF_TITLE (WIRE_NAME + 16)
struct conf_section;
const char *conf_section_title(const struct conf_section *section, char out[CONF_TITLE]);

/* --- the index: where sections and keys stand --- */

struct conf_section {
	unsigned line;
	enum conf_section_kind kind;
	char name[WIRE_NAME + 1]; /* of a peer */
	bool spare;		  /* repeated or misnamed: checked, but counts for nothing */
	size_t slot;		  /* of a peer, in conf->peers */
};

struct conf_entry {
	unsigned line;
	size_t section;
	const struct conf_key *key; /* known, or the nearest to what was written */
	const char *value;	    /* what follows '=', raw; NULL when it was an error already */
	bool spare;
};

struct conf_index {
	char *text; /* the file; cut into pieces */
	struct conf_section *sections;
	size_t n_sections;
	struct conf_entry *entries;
	size_t n_entries;
};

/* Reads the file and reports what is wrong with its structure.  False when
 * there is nothing to go on with. */
bool conf_index_read(struct conf_index *index, struct conf_report *report);
void conf_index_free(struct conf_index *index);

/* --- values --- */

/* Where a value stands, for messages. */
struct conf_place {
	struct conf_report *report;
	unsigned line;
	const char *section; /* "site", "peer paris" */
	const struct conf_key *key;
};

/* Checks text and puts the value into object, a struct conf or a struct
 * conf_peer as the key's section says.  Reports what is wrong. */
void conf_value_set(const struct conf_place *place, void *object, const char *text);

/* iniparser's view of the values: line number to value.  The text is INI with
 * a key "kLINE" for each value; what iniparser complains about is reported. */
struct conf_ini;
struct conf_ini *conf_ini_load(const char *text, size_t len, struct conf_report *report);
const char *conf_ini_value(const struct conf_ini *ini, unsigned line);
void conf_ini_free(struct conf_ini *ini);

#endif
