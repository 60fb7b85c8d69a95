#pragma once
/* What of a run's servers is not as its agent wants it, in words: for people, who read it with the
 * run, and for the model.
 *
 *   [{"server_label", "code", "message"}]
 *
 * What a server says of itself is no instruction of the agent's owner, so the model is told in
 * words of ours alone. Nor is a tenant told where the servers of the operator are. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;
struct json_write;

/* Of a server that can't be had, by what failed: one word, which is kept with the run. */
const char *mcp_away_word(int r);

/* "could not be reached": behind "since it". Of a word that is not known the same. */
const char *mcp_away_phrase(struct text word);

/* The tools of a server that are not there: `why` is the error's text, or NULL, where that is not
 * for the tenant. */
void mcp_problem_away(struct json_write *w, struct text label, int r, const char *why);

/* Names in `allowed_tools` that the server has not; beside them what it has. */
void mcp_problem_unknown(struct json_write *w, struct text label, struct text unknown,
                         struct text has);

/* Tools that are left out: beyond the limit of all, or since they can't be used. */
void mcp_problem_left_out(struct json_write *w, struct text label, size_t count, int max);
void mcp_problem_unfit(struct json_write *w, struct text label, size_t count, const char *why);
