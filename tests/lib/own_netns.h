/* SPDX-License-Identifier: MIT */
/* A network namespace of the test's own, so that it may do as it likes. */
#ifndef TESTS_OWN_NETNS_H
#define TESTS_OWN_NETNS_H

#include <stdbool.h>

/*
 * Moves this process, which must have one thread only, into a fresh network
 * namespace with loopback up: as root directly, otherwise by a user namespace
 * in which it is root.  Later calls change nothing.  False, with a word on
 * stderr, when this machine does not allow it.
 */
bool own_netns_enter(void);

#endif
