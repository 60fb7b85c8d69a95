#pragma once
/* What a model does not take, said in another way: tools and forms of answers in words, a reasoning
 * effort not at all, images never. Decided before a call, by what is known of the model
 * (models/models.h) and of the wire format. Pure. */

#include "providers/prompted/prompted_reply.h"
#include "providers/provider.h"
#include "shared/base/compiler.h"

struct error;

struct adaptation {
    const struct chat_request *asked; /* the caller's */
    struct chat_request request;      /* what is sent */
    struct arena arena;
    struct prompted_stream *stream; /* where tools are in words, and somebody watches; else NULL */
    bool tools;
    bool format;
};

/* Borrows both for as long as it lives. adaptation_deinit in any case. Returns 0; -E_INVALID when a
 * message has an image and the model takes none; -E_LIMIT when it becomes too large. */
MUSTCHECK int adaptation_init(struct adaptation *adaptation, const struct provider_target *target,
                              const struct chat_request *asked, struct error *err);
void adaptation_deinit(struct adaptation *adaptation);

/* The way back, before reply_form.h. Returns 0 or -E_LIMIT. */
MUSTCHECK int adaptation_read(const struct adaptation *adaptation, struct chat_reply *reply,
                              struct error *err);
