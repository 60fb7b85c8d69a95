#pragma once
/* What the two ways have in common in which webhooks are managed: ours (webhooks.c) and that of
 * OpenAI's SDK (webhook_sdk.c), which names the same things otherwise. */

#include "scheduler/api/hooks/hook_check.h"
#include "scheduler/api/request.h"
#include "scheduler/outbox/hook_send.h"
#include "shared/store/hooks/webhooks.h"

#define HOOK_URL_MAX         2048 /* characters */
#define HOOK_NAME_MAX        256
#define HOOK_DESCRIPTION_MAX 512

/* A field_check_fn of an array of filters. */
int hook_check_filters(struct json_object *value, const struct path *path, struct failure *failure);

/* A new one; what it is about is set. Returns as an endpoint does, with *out. */
SUSPENDS MUSTCHECK int hook_create(struct request *request, struct webhook *webhook,
                                   struct webhook *out);

typedef void hook_write_fn(const struct webhook *webhook, bool with_secret, struct buf *out);

/* Each of them, with its id as `kind` writes it, and the one that the path names; without their
 * secrets. */
SUSPENDS MUSTCHECK int hook_list(struct request *request, enum id_kind kind, hook_write_fn *write);
SUSPENDS MUSTCHECK int hook_show(struct request *request, enum id_kind kind, hook_write_fn *write);

/* The one that the path names, whose id is written as `kind`. */
SUSPENDS MUSTCHECK int hook_of_path(struct request *request, enum id_kind kind,
                                    struct webhook *out);

SUSPENDS MUSTCHECK int hook_update(struct request *request, const struct webhook *webhook,
                                   struct webhook *out);
SUSPENDS MUSTCHECK int hook_rotate(struct request *request, struct uuid id, int64_t keep_ms,
                                   struct webhook *out);
/* Says so as `object`. */
SUSPENDS MUSTCHECK int hook_delete(struct request *request, enum id_kind kind, const char *object);

/* Sends a sample of the type, once, now. *out is filled on 0; its answer is the caller's. */
SUSPENDS MUSTCHECK int hook_try(struct request *request, const struct webhook *webhook,
                                struct text type, struct hook_reply *out);

/* "whsec_…abcd" */
#define HOOK_HINT_SIZE 24
void hook_hint(const struct hook_secret *secret, char out[HOOK_HINT_SIZE]);
