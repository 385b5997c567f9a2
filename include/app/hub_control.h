/* SPDX-License-Identifier: MIT */
/* What the relay process answers at its control socket. */
#ifndef APP_HUB_CONTROL_H
#define APP_HUB_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

/* A ctlsock_handler; ctx is the struct hub. */
char *hub_control_answer(void *ctx, const char *request, bool privileged, size_t *len);

#endif
