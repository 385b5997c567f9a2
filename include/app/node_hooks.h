/* SPDX-License-Identifier: MIT */
/* The hook of the bridge process, as the configuration says. */
#ifndef APP_NODE_HOOKS_H
#define APP_NODE_HOOKS_H

struct conf;
struct node;

/* Goes over to what conf says; without memory or a thread for it, the log says so. */
void node_hooks_apply(struct node *node, const struct conf *conf);

/* Nothing is told any more; what waits is run, if that is quick. */
void node_hooks_stop(struct node *node);

#endif
