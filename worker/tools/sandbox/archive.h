#pragma once
/* Files as they go into a sandbox and come out of it, and as a thread's work folder is stored: one
 * entry behind another, a head and its bytes. Not a tar: both ends are ours, and this has no octal
 * numbers, no headers that change what follows, and no links.
 *
 * What comes out of a sandbox was written by a program of ours that lives beside a hostile one, so
 * nothing of it is believed: paths are checked again, and lengths are those of what is there.
 * Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

#define ARCHIVE_PATH_MAX  512
#define ARCHIVE_DEPTH_MAX 16

enum archive_kind {
    ARCHIVE_FILE = 'F',
    ARCHIVE_FOLDER = 'D',  /* an empty one, too */
    ARCHIVE_SKIPPED = 'S', /* was not taken; its bytes say why */
    ARCHIVE_END = 'E',     /* the last one; its bytes are a struct archive_end */
};

/* As it lies in front of path and bytes. */
struct archive_head {
    uint32_t magic;
    uint8_t kind;
    uint8_t executable;
    uint16_t path_bytes;
    uint64_t bytes;
};
#define ARCHIVE_MAGIC 0x31524150U /* "PAR1" */

struct archive_entry {
    enum archive_kind kind;
    bool executable;
    struct text path; /* "work/data.csv" */
    struct text bytes;
};

enum archive_ending {
    ENDED_BY_ITSELF, /* value: its status */
    ENDED_BY_SIGNAL, /* value: its number */
    ENDED_BY_TIME,
    ENDED_BY_EXCESS,   /* text: of what */
    ENDED_NEVER_BEGAN, /* text: why */
};

/* How a program ended, as whoever is in the sandbox with it has seen it. */
struct archive_end {
    int32_t ending; /* enum archive_ending */
    int32_t value;
    int64_t cpu_us;
    int64_t peak_bytes;
    char text[120];
};

/* A relative path of our own kind: UTF-8 without control characters, no part of which is empty, "."
 * or "..". */
bool archive_path_fits(struct text path);

void archive_add(struct buf *out, const struct archive_entry *entry);

/* The next entry, off the front of *rest. ARCHIVE_OVER: there is none. -E_PROTOCOL: what is there
 * is none. Texts lie in *rest. */
enum { ARCHIVE_OVER = 1 };
MUSTCHECK int archive_next(struct text *rest, struct archive_entry *out, struct error *err);
