#pragma once
/* The ledger: one line of JSON for each call, written when it is over. The README.md of this folder
 * describes its members. */

#include "providers/rehearsal/reply/answer.h"
#include "providers/rehearsal/request/conversation.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct ledger {
    int fd;      /* -1: none is kept */
    bool bodies; /* requests and replies, too */
};

struct ledger_line {
    const struct conversation *conversation;
    struct text key; /* of the caller; TEXT_NONE: none */
    struct text idempotency_key;
    const char *dialect;
    const char *rule; /* NULL: none was played */
    int status;       /* 0: no reply was begun */
    bool stream;
    bool closed;               /* by the client, before the end of the reply */
    const struct usage *usage; /* of an answer that was sent whole; else NULL */
    int64_t ms;
    struct text request; /* bodies, as they went over the wire */
    struct text reply;
};

void rehearsal_ledger_write(const struct ledger *ledger, const struct ledger_line *line);
