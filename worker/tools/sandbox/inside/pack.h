#pragma once
/* A folder's files as entries of an archive, written to a descriptor. Links, devices and pipes are
 * not followed and not opened: they are told as skipped. */

#include "shared/base/compiler.h"
#include "worker/tools/sandbox/archive.h"

#define PACK_FILES_MAX 1000

struct pack_limits {
    uint64_t bytes; /* of all its files */
    uint64_t files;
};

void pack_folder(int fd, const char *name, const struct pack_limits *limits);
void pack_end(int fd, const struct archive_end *end);
