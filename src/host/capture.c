/* SPDX-License-Identifier: MIT */
#include "host/capture.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_TEXT 16 /* hex digits of an instruction: code u16, jt u8, jf u8, k u32 */

struct capture_filter {
	unsigned n;
	struct bpf_insn steps[CAPTURE_INSTRUCTIONS];
};

static char *program_text(const struct bpf_program *program)
{
	char *text = malloc((size_t)program->bf_len * STEP_TEXT + 1);

	for (unsigned i = 0; text && i < program->bf_len; i++) {
		const struct bpf_insn *step = &program->bf_insns[i];

		snprintf(text + (size_t)i * STEP_TEXT, STEP_TEXT + 1, "%04x%02x%02x%08x",
			 step->code, step->jt, step->jf, step->k);
	}
	return text;
}

char *capture_compile(enum capture_link link, const char *expression, char why[CAPTURE_WHY])
{
	pcap_t *p = pcap_open_dead(link == CAPTURE_IP ? DLT_RAW : DLT_EN10MB, CAPTURE_SNAP);
	struct bpf_program program;
	char *text = NULL;

	snprintf(why, CAPTURE_WHY, "memory is short");
	if (!p)
		return NULL;
	if (pcap_compile(p, &program, expression, 1, PCAP_NETMASK_UNKNOWN) < 0) {
		snprintf(why, CAPTURE_WHY, "%s", pcap_geterr(p));
	} else {
		if (program.bf_len > CAPTURE_INSTRUCTIONS)
			snprintf(why, CAPTURE_WHY, "too long: %u instructions, %u are the most",
				 program.bf_len, CAPTURE_INSTRUCTIONS);
		else
			text = program_text(&program);
		pcap_freecode(&program);
	}
	pcap_close(p);
	return text;
}

static bool load_step(struct bpf_insn *step, const char *text)
{
	char digits[STEP_TEXT + 1] = "";
	uint64_t value;

	memcpy(digits, text, STEP_TEXT);
	if (strspn(digits, "0123456789abcdef") != STEP_TEXT)
		return false;
	value = strtoull(digits, NULL, 16);
	*step = (struct bpf_insn){ .code = (uint16_t)(value >> 48),
				   .jt = (uint8_t)(value >> 40),
				   .jf = (uint8_t)(value >> 32),
				   .k = (uint32_t)value };
	return true;
}

static bool load(struct capture_filter *filter, const char *program)
{
	size_t len = strlen(program);

	if (len == 0 || len % STEP_TEXT || len / STEP_TEXT > CAPTURE_INSTRUCTIONS)
		return false;
	filter->n = (unsigned)(len / STEP_TEXT);
	for (unsigned i = 0; i < filter->n; i++) {
		if (!load_step(&filter->steps[i], program + (size_t)i * STEP_TEXT))
			return false;
	}
	return bpf_validate(filter->steps, (int)filter->n);
}

struct capture_filter *capture_filter_new(const char *program)
{
	struct capture_filter *filter = malloc(sizeof(*filter));

	if (filter && load(filter, program))
		return filter;
	free(filter);
	return NULL;
}

void capture_filter_free(struct capture_filter *filter)
{
	free(filter);
}

bool capture_filter_takes(const struct capture_filter *filter, const uint8_t *packet, size_t have,
			  size_t len)
{
	return bpf_filter(filter->steps, packet, (unsigned)len, (unsigned)have);
}
