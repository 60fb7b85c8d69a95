#pragma once
/* Templates of the rehearsal script.
 *
 *     {{0}} … {{9}}          what the rule's pattern captured in the user's message
 *     {{tool}}, {{tool.2}}   the last tool result; the second one since the user's message
 *     {{tool.field}}, {{tool.2.a.b}}   a member of a tool result that is JSON
 *     {{user}}, {{model}}
 *     {{expression}}, {{value}}   of a plain question of arithmetic: arithmetic.h
 *     {{1|filter}}           number ("1,200" -> 1200), pad ("7" -> 07), clock ("3 pm" -> 15:00),
 *                            money ("7.5" -> 7.50), round (at most two decimals), lower, or
 *                            the name of a table
 */

#include "providers/rehearsal/script/script.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

enum { TEMPLATE_NO_MATCH = 1 };

struct template_values {
    const struct script *script;
    struct text user;
    struct text model;
    const regmatch_t *captures; /* SCRIPT_CAPTURES of them, into user */
    const struct text *tools;   /* results since the last user message, in order of the calls */
    size_t tools_count;
    struct text expression; /* TEXT_NONE: the user asks no plain question of arithmetic */
    bool escape_json;       /* values go into strings of JSON text */
};

/* Whether all placeholders can be understood. Returns 0 or -E_INVALID. */
MUSTCHECK int template_check(const struct script *script, const char *template, struct error *err);

/* Fills a template that template_check accepted. A value that is not there (a capture that did not
 * take part, no such member) is an empty text, or the whole result for a member, and counts in
 * *unfilled. Returns 0, or TEMPLATE_NO_MATCH when a table lacks the value. */
MUSTCHECK int template_fill(const char *template, const struct template_values *values,
                            struct buf *out, size_t *unfilled);
