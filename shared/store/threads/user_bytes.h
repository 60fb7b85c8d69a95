#pragma once
/* What all threads of a person hold: a row for each, and differences that writers append
 * (migrations/0015_owners.sql). */

#include "shared/store/store.h"

/* Adds rows that were appended to those of the persons, USER_FOLD_ROWS at once; a person without
 * anything has no row. Those that another scheduler is at are left to it. *out_more: there may be
 * more of them. Returns 0, or what pg_exec does. */
#define USER_FOLD_ROWS 20000
SUSPENDS MUSTCHECK int user_bytes_fold(struct pg *pg, bool *out_more, struct error *err);

/* The same for all rows of one person, on a connection whose requests are transactions of their
 * own, so that nobody else's locks are held meanwhile. Afterwards a person of whom nothing is there
 * has no row of either kind, whoever else folds. */
SUSPENDS MUSTCHECK int user_bytes_fold_person(const struct store *store, struct text user,
                                              struct error *err);
