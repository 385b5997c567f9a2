/* SPDX-License-Identifier: MIT */
/* Between the files of the netlink_config room: what is in a message. */
#ifndef HOST_NETLINK_CONFIG_PARTS_H
#define HOST_NETLINK_CONFIG_PARTS_H

#include "netlink_parts.h"

/* Of one message; what is added when it is rewritten fits into a request as well. */
#define NETLINK_CONFIG_MESSAGE (REQUEST_ROOM - 256)

/* Bytes before the attributes; 0 of a type that is not kept. */
size_t netlink_config_header(uint16_t type);

/* The attribute of that type, or NULL. */
const struct nlattr *netlink_config_attr(const struct nlmsghdr *nlh, uint16_t type);
uint32_t netlink_config_number(const struct nlmsghdr *nlh, uint16_t type, uint32_t none);

/* "address 192.0.2.1/24", "route 0.0.0.0/0 of table 254". */
void netlink_config_text(const struct nlmsghdr *nlh, char text[NETLINK_CONFIG_TEXT]);

#endif
