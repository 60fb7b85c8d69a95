#pragma once
/* Opaque state: what a vendor gives with a reply and wants back, unchanged, with the next request.
 *
 * The rehearsal keeps nothing between calls, so it must be able to tell what it gave from what
 * comes back. A mark is eight hexadecimal digits of the digest of what was reasoned. It stands at
 * the end of the ids of the calls that came with that reasoning. The seal has it, too, and says
 * besides for which dialect and model it was made. So a request that repeats a marked call shows
 * whether the seal is missing, changed, or of another model. Pure.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define SEAL_MARK_SIZE 9  /* digits and a zero */
#define SEAL_SIZE      53 /* base64 and a zero */

/* The mark of a text. */
void seal_mark(struct text reasoned, char out[SEAL_MARK_SIZE]);

/* "r" and the mark at the end of an id that the rehearsal made, in *out_mark; false: the id has
 * none. */
bool seal_marked_id(struct text id, struct text *out_mark);

/* A seal for a mark, as base64. */
void seal_make(const char *dialect, struct text model, const char *mark, char out[SEAL_SIZE]);

/* Whether a text is a seal that was made for this dialect and model; its mark in *out. */
MUSTCHECK bool seal_open(const char *dialect, struct text model, struct text seal,
                         char out[SEAL_MARK_SIZE]);
