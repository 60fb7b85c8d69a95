#pragma once
/* A reply on its way: whole or in events, at the pace and with the fault that the script asks for.
 */

#include "providers/rehearsal/reply/event_list.h"
#include "providers/rehearsal/script/script.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/http_server/http_server.h"

struct sending {
    struct http_exchange *exchange;
    struct http_server *server;
    const struct script_action *action; /* NULL: an error that no script asks for */
    struct buf body;                    /* of a whole reply; of a stream what was sent of it */
    struct event_list events;           /* of a stream */
    struct event_list breaking;         /* the error that it ends with, where it is to */
    const char *content_type;
    int64_t chunk_ms; /* between events */
    int status;
    bool stream;     /* events are sent, not the body */
    bool completion; /* it is what a model says, and no error or body of the script's own */
    bool keep;       /* what is sent of a stream goes into the body, too */

    int status_sent; /* 0: no reply was begun */
    bool answered;   /* all of a completion was sent, without a fault */
    bool closed;     /* by the client, before the end */
};

void sending_init(struct sending *sending, struct http_exchange *exchange,
                  struct http_server *server, enum event_framing framing);
void sending_deinit(struct sending *sending);

/* Waits before the first byte, where the script says so for ever. False: there is nobody to send it
 * to any more, or nothing; the connection is closed. */
SUSPENDS MUSTCHECK bool sending_wait(struct sending *sending, int64_t wait_ms);

/* Sends what was written. */
SUSPENDS void sending_send(struct sending *sending);
