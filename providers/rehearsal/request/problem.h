#pragma once
/* What is wrong with a request, or what the script wants to go wrong: one shape from which each
 * dialect makes its vendor's error. */

#include "providers/rehearsal/request/limit.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

enum { CONVERSATION_REFUSED = 1 };

enum problem_kind {
    PROBLEM_PLAIN,    /* status and message say it all */
    PROBLEM_LIMIT,    /* a limit is reached: 429, or what the vendor has for it */
    PROBLEM_TOO_LONG, /* more tokens than the model's context has */
};

struct problem {
    enum problem_kind kind;
    int status;        /* 0: none, all is well */
    const char *code;  /* the vendor's word for it; static; NULL: none */
    const char *param; /* the member that is wrong; static; NULL: none */
    char message[600]; /* of PROBLEM_PLAIN: UTF-8; "": what the vendor says with this status */
    struct text model; /* of the request; borrowed; may be empty */
    int64_t events;    /* of a stream that it breaks off: how many were sent */

    enum limit_kind limit; /* this and the next three are of PROBLEM_LIMIT */
    bool never;            /* one call asks for more than the limit allows in all */
    int64_t used;
    int64_t retry_after_ms;
    int64_t allowed; /* requests or tokens; also of PROBLEM_TOO_LONG, and so is the next */
    int64_t asked;
};

/* 400 with what is wrong. Returns CONVERSATION_REFUSED, so that refusing is one line. */
PRINTF(3, 4)
int problem_set(struct problem *problem, const char *param, const char *format, ...);

/* The same with another status; `code` may be NULL. */
PRINTF(4, 5)
int problem_set_as(struct problem *problem, int status, const char *code, const char *format, ...);
