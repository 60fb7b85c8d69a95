#pragma once
/* Bytes of files, to the server and from it: a piece at a time, each of which is sent again or
 * asked for again by itself, so a file may be as large as the server takes.
 */

#include "scheduler/cli/client.h"

struct file_sending {
    const char *path;
    const char *name; /* that it is to have */
    const char *purpose;
    int64_t seconds; /* after which it expires; 0: as the server has it */
};

/* Returns 0 with the file as the API shows it; -E_INVALID where there is no such file here; or what
 * failed, and then there is none at the server. */
SUSPENDS MUSTCHECK int file_send(struct client *client, const struct file_sending *sending,
                                 struct client_reply *out, struct error *err);

/* `write` gets the bytes in their order, and must not keep them. Returns 0, what the server or
 * `write` failed with, or -E_PROTOCOL where the bytes are not those that were stored: that is known
 * when all of them have been written. */
struct file_fetching {
    const char *id; /* client_is_plain */
    int (*write)(void *arg, struct text bytes, struct error *err);
    void *arg;
};
SUSPENDS MUSTCHECK int file_fetch(struct client *client, const struct file_fetching *fetching,
                                  struct error *err);
