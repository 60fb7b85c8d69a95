#pragma once
/* What is right in a file that `penstock apply` reads, and most likely not meant: said to standard
 * error, and nothing is refused for it.
 *
 *   ${NAME}      is text in a tool and in headers, where people mean a secret by it
 *   secrets      that have no value yet: calls that need them fail until they have one
 *   function     of the name of a declared tool: the client is asked to answer it
 */

#include "scheduler/cli/agents/apply_tools.h"

/* Returns 0, or -E_CANCELED. */
SUSPENDS MUSTCHECK int apply_notes(const struct apply_tools *apply, struct error *err);

/* The first "${NAME}" of a text that is no reference to a secret, as its NAME; TEXT_NONE: none.
 * Pure. */
struct text apply_notes_variable(struct text text);
