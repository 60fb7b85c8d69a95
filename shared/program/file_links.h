#pragma once
/* What a program needs to move files: connections of their own, so that nobody waits behind
 * megabytes of them, and the stores of their bytes. */

#include "shared/base/compiler.h"

struct blob_stores;
struct config;
struct error;
struct http_client;
struct pg;

struct file_links {
    struct pg *rows;          /* and chunks that are read */
    struct pg *chunks;        /* that are written: their commits wait for no disk; NULL: none are */
    struct http_client *http; /* NULL: there is no bucket */
    struct blob_stores *blobs;
};

/* `name` is how Postgres shows the connections. With `writes` files can be written. Returns 0; or
 * what pg_open and blob_stores_open do. Close it in any case. */
MUSTCHECK int file_links_open(const struct config *config, const char *name, bool writes,
                              struct file_links *out, struct error *err);
SUSPENDS void file_links_close(struct file_links *links);
