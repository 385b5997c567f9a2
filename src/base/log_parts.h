/* SPDX-License-Identifier: MIT */
/* What the parts of the log know of each other. */
#ifndef BASE_LOG_PARTS_H
#define BASE_LOG_PARTS_H

#include "base/log.h"

/* The record as text, without a start of time or level: "info: peer up peer=paris". */
size_t log_form_text(const struct log_record *record, char *out, size_t room);

#endif
