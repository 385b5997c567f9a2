/* SPDX-License-Identifier: MIT */
#ifndef APP_VERSION_H
#define APP_VERSION_H

#define VERSION "0.1.0"

#endif
