#pragma once
/* Chat Completions: the functions of its row, which those of Groq and Mistral use, too. */

#include "providers/rehearsal/dialects/dialect.h"
#include "shared/json/json_write.h"

int dialect_chat_read(const struct request *request, struct conversation *out,
                      struct problem *problem);

/* The same on the path that other servers share, too: DeepSeek's models want their reasoning back.
 */
int dialect_chat_read_own(const struct request *request, struct conversation *out,
                          struct problem *problem);

/* What servers that speak this format do not have in common. */
struct chat_flavour {
    const char *reasoning_member; /* of a message, where reasoning is shown */
    bool groq;                    /* x_groq, and how long it took */
    bool usage_is_last;           /* a stream's last chunk has the usage, asked for or not */
};
void dialect_chat_write(const struct answer *answer, const struct chat_flavour *flavour,
                        struct buf *out);
void dialect_chat_write_events(const struct answer *answer, const struct chat_flavour *flavour,
                               struct event_list *out);
