/* SPDX-License-Identifier: MIT */
/* What both ends of TLS streams know of the relay's certificate. */
#ifndef APP_CERTIFICATE_H
#define APP_CERTIFICATE_H

#include <stdint.h>

#include "core/kex.h"
#include "core/wire_relay.h"
#include "host/tls.h"

/* The certificate's private key, from the relay's: the same at each start, and no more is
 * to be kept than one key. */
void certificate_key(uint8_t out[TLS_KEY], const uint8_t relay[KEX_KEY]);

/* The mark of a certificate with that public key. */
void certificate_mark(uint8_t out[WIRE_STREAM_MARK], const uint8_t key[TLS_KEY]);

#endif
