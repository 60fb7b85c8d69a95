#pragma once
/* Takes secrets out of texts that come from outside, before a model, a log or a person sees them: a
 * server that was sent a secret may say it back.
 *
 * Found are the value as it is; in base64 and base64url, wherever in an encoded text it lies; in
 * hexadecimal; and each of these with characters written as %41, \u0041, \", &amp; or &#65;. What
 * is found becomes "[secret NAME]". In base64 and hexadecimal also what is written as JSON and URLs
 * have it, since a server may encode all that it was sent. Pure.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct redactor;

struct known_secret {
    struct text name;
    struct text value;
};

/* Lives as short as the values; wiped when it is freed. NULL where there are none. */
struct redactor *redactor_new(const struct known_secret *secrets, size_t count);
void redactor_free(struct redactor *redactor); /* accepts NULL */

/* Appends the text without them. `is_cut`: more of it came, so what it ends with may be the
 * beginning of a secret, which goes, too. NULL appends it as it is. */
void redactor_write(const struct redactor *redactor, struct text text, bool is_cut,
                    struct buf *out);
