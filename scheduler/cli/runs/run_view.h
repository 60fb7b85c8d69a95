#pragma once
/* Runs as a person sees them: their state, steps, answer, a transcript. */

#include <stdio.h>

#include "scheduler/cli/client.h"

/* Whether a status is terminal, or requires_action, in which a run stays until somebody submits
 * outputs. False for NULL and unknown words. Pure. */
bool run_is_over(const char *name);

/* "/v1/runs/ID" and the suffix, the caller's; -E_INVALID for what can be no id. */
MUSTCHECK int run_path(const char *id, const char *suffix, char **out, struct error *err);

/* From its start to its end in whole seconds; -1 while it has not ended, or when that is not known.
 * Pure. */
int64_t run_took_seconds(struct json_object *run);

/* The exit code for a run that is over. */
int run_exit_code(const char *status);

/* "the run is failed: MESSAGE (server_error)"; nothing for one that completed. Pure. */
void run_explain(struct json_object *run, struct buf *out);

/* The calls of a run that wait for an approval: the id of the one at that place, borrowed. False:
 * there are no more. Pure. */
MUSTCHECK bool run_approval_at(struct json_object *run, size_t place, struct text *out_id);

/* Adds to `out` what keeps a queued run from going on, as far as the server knows: limits, "no
 * worker is up". Adds nothing when it knows nothing, or can't be asked. */
SUSPENDS void run_explain_wait(struct client *client, struct json_object *run, struct buf *out);

/* The text of an API message's content parts; pure. */
void run_message_text(struct json_object *message, struct buf *out);

/* Print the models that could not answer, and a step's tool calls: name and arguments, then the
 * output; and, `in_full`, how each call went, else of those alone where it is not as usual. */
void run_print_step(FILE *out, struct json_object *step, bool in_full);

/* "! mcp desk: …" for each of the run's servers with which something is wrong. Returns whether
 * there is any. */
bool run_print_problems(FILE *out, struct json_object *run);

/* The text of the last assistant message that the run wrote; empty where it wrote none. */
SUSPENDS MUSTCHECK int run_answer(struct client *client, const char *thread, const char *run,
                                  struct buf *out, struct error *err);

/* Counts the tool calls of a run. */
SUSPENDS MUSTCHECK int run_count_calls(struct client *client, const char *thread, const char *run,
                                       unsigned *out, struct error *err);

/* Prompt, tool calls with outputs, answer. */
SUSPENDS MUSTCHECK int run_print_transcript(struct client *client, const char *thread,
                                            const char *run, FILE *out, struct error *err);

/* Prints one message: role and text. */
void run_print_message(FILE *out, struct json_object *message);
