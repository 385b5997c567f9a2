/* SPDX-License-Identifier: MIT */
#include "app/node_hooks.h"

#include "app/event.h"
#include "app/hooks.h"
#include "app/node_state.h"

void node_hooks_apply(struct node *node, const struct conf *conf)
{
	if (!node->hooks && conf->hook[0]) {
		node->hooks = hooks_new(&(struct hooks_facts){ .instance = conf->instance,
							       .network = conf->network,
							       .site = conf->site,
							       .tap = conf->tap,
							       .bridge = conf->bridge },
					HOOKS_LIMIT);
		if (!node->hooks) {
			log_error("no hook, memory or threads are short");
			return;
		}
		event_set_listener(hooks_tell, node->hooks);
	}
	if (node->hooks)
		hooks_set(node->hooks, conf->hook);
}

void node_hooks_stop(struct node *node)
{
	event_set_listener(NULL, NULL);
	hooks_free(node->hooks);
	node->hooks = NULL;
}
