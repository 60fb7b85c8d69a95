#pragma once
/* References to secrets in texts: "Bearer ${secret:NAME}". Pure.
 *
 *   ${secret:NAME}     stands for the value of the secret
 *   $${secret:NAME}    the text ${secret:NAME} itself: one $ goes, and nothing else
 *   ${…}, $, $$        all else is text
 *
 * NAME is ^[A-Za-z_][A-Za-z0-9_]{0,63}$. "${secret" that goes on in another way ("${secret.NAME}")
 * is refused, since somebody meant a secret by it.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

#define SECRET_NAME_MAX 64 /* bytes */

bool secret_name_fits(struct text name);

/* A piece of such a text: as it stands, or the name of a secret. */
struct reference_piece {
    bool is_secret;
    struct text text;
};

enum { REFERENCES_END = 1 };

/* Takes the next piece off *rest. Returns 0 with *out, REFERENCES_END, or -E_INVALID. */
MUSTCHECK int reference_next(struct text *rest, struct reference_piece *out, struct error *err);

/* Whether all is well formed. Returns 0 or -E_INVALID. */
MUSTCHECK int references_check(struct text text, struct error *err);
