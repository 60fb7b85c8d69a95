#pragma once
/* A dialect by itself: a request read, an answer written. */

#include "providers/rehearsal/dialects/dialect.h"
#include "shared/json/json.h"

/* What a request is read with; the next talk_read starts afresh. */
struct talk {
    const struct dialect *dialect;
    const char *key;     /* "k-1234" */
    const char *version; /* of Anthropic: "2023-06-01" */
    const char *model;   /* of the path */
    struct conversation conversation;
    struct embedding_request embedding;
    struct problem problem;
};
extern struct talk talk;

void talk_begin(const struct dialect *dialect);
void talk_end(void);

/* Reads a chat, or embeddings. `body` is JSON in which ' stands for ". Returns 0 or
 * CONVERSATION_REFUSED; a body that is no JSON ends the test. */
int talk_read(const char *body);
int talk_read_embedding(const char *body);

/* The request is accepted, or refused with that status and with these words in the message. */
void talk_accepts(const char *body);
void talk_refuses(const char *body, int status, const char *because);

/* The conversation that was read last, as an answer with this id: text, reasoning and calls may be
 * NULL. `calls` has names and arguments in turn, ended by NULL. */
struct answer talk_answer(const char *text, const char *reasoning, const char *const *calls);

/* The answer as a document; freed by the caller. */
struct json_object *talk_written(const struct answer *answer);

/* The answer as a stream: the text of it all, overwritten by the next call. */
const char *talk_streamed(const struct answer *answer, enum event_framing framing);

/* The error as a document; freed by the caller. */
struct json_object *talk_error(const struct problem *problem, int *out_status);

/* Headers that are written for these limits: "name: value\n" each. */
const char *talk_headers(const struct limit_state *limits, const struct problem *problem);

/* At a path such as "a.b.0.c"; "" for what is absent, JSON text for what is no string. */
const char *at(struct json_object *root, const char *path);
