/* SPDX-License-Identifier: MIT */
#include "host/capture.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define STEP_TEXT 16 /* hex digits of an instruction: code u16, jt u8, jf u8, k u32 */

struct capture_filter {
	unsigned n;
	struct bpf_insn steps[CAPTURE_INSTRUCTIONS];
};

/* Outside of a kernel libpcap lets a jump go back, for "protochain": such a program may
 * run for ever. */
static bool may_loop(const struct bpf_insn *steps, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (steps[i].code == (BPF_JMP | BPF_JA) && steps[i].k >= n)
			return true;
	}
	return false;
}

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
		else if (may_loop(program.bf_insns, program.bf_len))
			snprintf(why, CAPTURE_WHY, "protochain is not possible here");
		else
			text = program_text(&program);
		pcap_freecode(&program);
	}
	pcap_close(p);
	return text;
}

/* bpf_validate lets other codes through, and bpf_filter aborts at them. */
static bool is_known(uint16_t code)
{
	static const uint16_t simple[] = {
		BPF_RET | BPF_K,	     BPF_RET | BPF_A,
		BPF_LD | BPF_W | BPF_ABS,    BPF_LD | BPF_H | BPF_ABS,
		BPF_LD | BPF_B | BPF_ABS,    BPF_LD | BPF_W | BPF_IND,
		BPF_LD | BPF_H | BPF_IND,    BPF_LD | BPF_B | BPF_IND,
		BPF_LD | BPF_W | BPF_LEN,    BPF_LDX | BPF_W | BPF_LEN,
		BPF_LDX | BPF_MSH | BPF_B,   BPF_LD | BPF_IMM,
		BPF_LDX | BPF_IMM,	     BPF_LD | BPF_MEM,
		BPF_LDX | BPF_MEM,	     BPF_ST,
		BPF_STX,		     BPF_JMP | BPF_JA,
		BPF_ALU | BPF_NEG,	     BPF_MISC | BPF_TAX,
		BPF_MISC | BPF_TXA,
	};
	uint16_t without_x = code & (uint16_t)~BPF_X;

	for (unsigned i = 0; i < COUNT_OF(simple); i++) {
		if (code == simple[i])
			return true;
	}
	if (BPF_CLASS(code) == BPF_JMP)
		return without_x > (BPF_JMP | BPF_JA) && without_x <= (BPF_JMP | BPF_JSET);
	return BPF_CLASS(code) == BPF_ALU && without_x <= (BPF_ALU | BPF_XOR) &&
	       BPF_OP(code) != BPF_NEG;
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
	for (unsigned i = 0; i < filter->n; i++) {
		if (!is_known(filter->steps[i].code))
			return false;
	}
	return !may_loop(filter->steps, filter->n) &&
	       bpf_validate(filter->steps, (int)filter->n);
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

unsigned capture_filter_steps(const struct capture_filter *filter)
{
	return filter->n;
}

bool capture_filter_takes(const struct capture_filter *filter, const uint8_t *packet, size_t have,
			  size_t len)
{
	return bpf_filter(filter->steps, packet, (unsigned)len, (unsigned)have);
}
