/* SPDX-License-Identifier: MIT */
/*
 * The daemon's side of lanspan(8): requests and answers are JSON objects, one
 * a connection, as lanspan(8) documents.
 */
#ifndef APP_CONTROL_H
#define APP_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

/* A ctlsock_handler; ctx is the struct node. */
char *control_answer(void *ctx, const char *request, bool privileged, size_t *len);

#endif
