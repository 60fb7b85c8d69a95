#pragma once
/* Standard output, which may be a full disk or a pipe whose reader has left. Commands print without
 * looking; that something was lost is found here, and makes the exit code 1.
 */

#include "shared/base/compiler.h"

struct error;

/* To be called first: a broken pipe becomes an error of writing instead of a signal, and a standard
 * stream that is closed can't become another file. */
void output_open(void);

/* Returns 0, or -E_SYSTEM when something that was printed is lost. For whoever has much to print
 * and need not go on. */
MUSTCHECK int output_check(struct error *err);

/* Flush standard output, in place of fflush: why it failed is remembered. */
void output_flush(void);

/* To be called last. Returns `exit_code`; or 1 in place of 0 when output was lost, after saying so
 * (a reader who has left, as `head` does, needs no words). */
MUSTCHECK int output_close(int exit_code);
