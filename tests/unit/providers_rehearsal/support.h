#pragma once
/* Playing the worker's part against the script engine, without a server. */

#include "providers/rehearsal/decide.h"
#include "providers/rehearsal/dialects/dialect.h"
#include "shared/json/json.h"

/* A conversation that grows: JSON text of its messages, with commas between them. */
struct play {
    struct arena arena;
    struct buf messages;
    struct conversation conversation;
    struct problem problem;
    struct decision decision;
    int calls; /* made so far: the next call's id is call_<calls> */
};

void play_begin(struct play *play, const char *user);
void play_end(struct play *play);

/* Adds a message given as JSON. */
void play_add(struct play *play, const char *message);

/* Asks the script, with the tools calculator and current_time on offer. False: the request is
 * refused (play->problem) or the decision failed. */
bool play_ask(struct play *play, struct script *script);

/* Adds the decision's tool calls and what the tools would have returned. False: a call that the
 * tools would not accept; it is printed. */
bool play_run_tools(struct play *play);

/* Reads a request of a dialect. Returns 0 or CONVERSATION_REFUSED. */
MUSTCHECK int play_read(const struct dialect *dialect, struct json_object *body,
                        struct arena *arena, struct conversation *out, struct problem *problem);

/* What the calculator makes of an expression. False: none. */
bool play_calculate(const char *expression, double *out);

/* A script of one string, which must be right; freed by the caller. */
struct script *play_script(const char *yaml);
