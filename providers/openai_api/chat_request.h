#pragma once
/* From the body of a chat completion to what a model is asked. Pure. */

#include "providers/chat.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/json/json.h"

struct error;

#define CHAT_FALLBACKS_MAX 8

/* Of its turn where limits let calls wait: as the priorities of runs. */
enum chat_turn { CHAT_TURN_FIRST, CHAT_TURN_NORMAL, CHAT_TURN_LAST };

struct chat_ask {
    struct chat_request request;
    struct text models[1 + CHAT_FALLBACKS_MAX];
    size_t models_count;
    struct text user;
    enum chat_turn turn;
    bool stream;
    bool include_usage; /* of a stream: a last chunk tells it */
};

/* Of a body that was checked (chat_bodies.h). Texts are borrowed from it or copied into the
 * arena. Messages of the system in front become the instructions, later ones stay where they
 * are, and so does the last message of all; ids and arguments of calls are put into form
 * (reply_form.h). Returns 0; or -E_LIMIT when the arena is full, in words fit for an API error. */
MUSTCHECK int chat_request_read(struct json_object *body, struct arena *arena, struct chat_ask *out,
                                struct error *err);

/* service_tier: "priority" goes first, "flex" last. */
enum chat_turn chat_request_turn(struct text service_tier);

/* Who asks: clients say it by one of two names. Empty: nobody. */
struct text chat_request_user(struct json_object *body);
