#pragma once
/* Templates of declared tools: texts with places for parameters and secrets. Pure.
 *
 *   {{name}}          stands for the parameter of that name
 *   {{{{              the text {{ itself
 *   ${secret:NAME}    see shared/secrets/reference.h, also for how it is meant as text
 *
 * A name of a parameter is ^[A-Za-z_][A-Za-z0-9_]{0,63}$. "{{" that goes on in another way is
 * refused. What stands for a parameter is encoded for its place, so that no value can leave it.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/json/json.h"
#include "shared/secrets/redactor.h"

struct error;

enum template_kind { TEMPLATE_TEXT, TEMPLATE_PARAMETER, TEMPLATE_SECRET };

struct template_piece {
    enum template_kind kind;
    struct text text; /* as it stands, or the name */
};

enum { TEMPLATE_END = 1 };

/* Takes the next piece off *rest. Returns 0 with *out, TEMPLATE_END, or -E_INVALID. */
MUSTCHECK int template_next(struct text *rest, struct template_piece *out, struct error *err);

/* The name of the only thing in a template that is one placeholder and nothing else; TEXT_NONE: it
 * is another one. */
struct text template_parameter(struct text template);

/* What templates are filled with. */
struct template_values {
    struct json_object *arguments;      /* an object; a member that is absent is an empty text */
    const struct known_secret *secrets; /* all that are referred to */
    size_t secrets_count;
};

/* How a value is written where it stands. */
enum template_place {
    PLACE_PLAIN,       /* as it is: what is around it knows no special characters */
    PLACE_URL,         /* all but unreserved characters as %XX (RFC 3986, 2.3) */
    PLACE_JSON_STRING, /* within a JSON string: escaped */
    PLACE_JSON_VALUE,  /* where a JSON value stands: as JSON; a secret as a string */
};

/* Appends the value of one piece that is not a text. Returns 0, or -E_NOT_FOUND: there is no such
 * secret. */
MUSTCHECK int template_write_value(const struct template_piece *piece,
                                   const struct template_values *values, enum template_place place,
                                   struct buf *out, struct error *err);

/* Appends a text as it is written in such a place. */
void template_write_text(struct text text, enum template_place place, struct buf *out);

/* Appends a template that was checked, filled. Texts are written as they stand. Returns as
 * template_write_value, or -E_INVALID. */
MUSTCHECK int template_write(struct text template, const struct template_values *values,
                             enum template_place place, struct buf *out, struct error *err);

/* Appends bytes as PLACE_URL has them. */
void url_encode(struct text text, struct buf *out);
