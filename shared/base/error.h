#pragma once
/* Errors as explicit values, with three outcomes (the rule is dbus-broker's, src/util/error.c):
 *
 *   < 0   failed: *err is filled; forward it unchanged, or add where it happened with error_wrap
 *   = 0   done
 *   > 0   a condition that the function documents; the caller handles it and never forwards it
 *
 * The caller owns struct error and passes it down, last parameter. It needs no allocation and has
 * no hidden state, so it is safe across suspensions. Policy reads `code` only, never `text`.
 */

#include "shared/base/compiler.h"

enum error_code {
    E_NONE = 0,
    E_CANCELED = 1,    /* the fiber was cancelled */
    E_TIMEOUT = 2,     /* the deadline passed */
    E_CLOSED = 3,      /* the peer closed the connection */
    E_SYSTEM = 4,      /* a system call failed */
    E_LIMIT = 5,       /* a size, depth or count went over its limit */
    E_INVALID = 6,     /* input is wrong: the text says what, where and what would be right */
    E_PROTOCOL = 7,    /* the peer broke its protocol */
    E_UNAVAILABLE = 8, /* a dependency can't be reached; nothing was done */
    E_AMBIGUOUS = 9,   /* the connection broke after sending; it may or may not have been done */
    E_CONFLICT = 10,   /* a unique constraint or a compare-and-set refused */
    E_NOT_FOUND = 11,  /* there is no such thing */
    E_DENIED = 12,     /* not allowed (authentication, allow-list, SSRF guard) */
    E_REJECTED = 13,   /* the database or the provider refused the statement or request */
    E_INTERNAL = 14,   /* a defect of ours */
    E_CONTENT = 15,    /* the database can't store what it was given, and never will */
};

struct error {
    int code;           /* enum error_code */
    const char *origin; /* static string: file:line of the error_set */
    char text[512]; /* one human sentence, no final stop, never a secret; always UTF-8, even where
                         * a format cut what it repeats within a character. What a server says of a
                         * request (struct failure) fits, with where it was */
};

#define ERROR_STRINGIFY_(x) #x
#define ERROR_STRINGIFY(x)  ERROR_STRINGIFY_(x)
#define ERROR_ORIGIN        __FILE__ ":" ERROR_STRINGIFY(__LINE__)

/* Fill *err (which may be NULL) and return -code, so that raising is one line. */
#define error_set(err, code, ...) error_set_at(err, code, ERROR_ORIGIN, __VA_ARGS__)

int error_set_at(struct error *err, int code, const char *origin, const char *format, ...)
    PRINTF(4, 5);

/* As error_set(err, E_SYSTEM, …) with ": " and the text of errno_value added. */
#define error_set_errno(err, errno_value, ...)                                                     \
    error_set_errno_at(err, errno_value, ERROR_ORIGIN, __VA_ARGS__)

int error_set_errno_at(struct error *err, int errno_value, const char *origin, const char *format,
                       ...) PRINTF(4, 5);

/* Put "prefix: " before the text; returns -err->code. err may be NULL (then -E_INTERNAL). */
int error_wrap(struct error *err, const char *format, ...) PRINTF(2, 3);

/* Control characters of the text become '?': it may repeat what stood in a file, and go to a
 * terminal. Returns -err->code. err may be NULL (then -E_INTERNAL). */
int error_clean(struct error *err);

/* Whether what a function of the drivers returned says that its server is away for the moment, and
 * nothing about what it was asked for: the same may succeed later. */
bool error_is_transient(int r);

/* A short static word for a code: "timeout", "unavailable", … */
const char *error_name(int code);
