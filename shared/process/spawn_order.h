#pragma once
/* What a worker and its helper process say to each other: one frame a message, of a bounded size,
 * over a socket that keeps frames apart (SOCK_SEQPACKET).
 *
 *   worker ── order (start: what and how; descriptors go along) ──► helper
 *          ── order (kill) ───────────────────────────────────────►
 *          ◄─ report (started, or failed and why) ─────────────────
 *          ◄─ report (ended, and what it used) ────────────────────
 *
 * Both ends are one build, so numbers lie in a frame as they lie in memory. A frame is checked all
 * the same: neither end believes a length. Pure.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

#define SPAWN_FRAME_MAX   ((size_t)48 << 10) /* bytes */
#define SPAWN_STRINGS_MAX 512                /* arguments and environment together */
#define SPAWN_FDS_MAX     8
#define SPAWN_LIMITS_MAX  12
#define SPAWN_GROUPS_MAX  4
#define SPAWN_TEXT_SIZE   200

/* A limit of setrlimit(2), soft and hard. */
struct spawn_limit {
    int32_t resource;
    uint64_t value;
};

/* A program to be started. Its descriptors are those of `fds` and no others. */
struct spawn_order {
    uint64_t id;                   /* reports name it */
    const char *const *argv;       /* ended by NULL; argv[0] is a path */
    const char *const *envp;       /* ended by NULL; NULL: an empty environment */
    int fds[SPAWN_FDS_MAX];        /* of the sender; borrowed */
    int fd_numbers[SPAWN_FDS_MAX]; /* what the program sees them as; 0, 1 and 2 that are not named
                                    * are /dev/null */
    size_t fd_count;
    struct spawn_limit limits[SPAWN_LIMITS_MAX];
    size_t limit_count;
    uint32_t first_uid; /* a helper that is root gives it a uid of its own, one of these; */
    uint32_t uid_count; /* 0: the uid stays */
    int32_t nice;
    bool
        idle; /* it has the processors that nobody else wants (SCHED_IDLE), and can't have others */
    /* Control groups: a new one in each of these folders, with these limits (0: none). */
    const char *groups[SPAWN_GROUPS_MAX];
    size_t group_count;
    uint64_t group_memory_bytes;
    uint64_t group_processes;
};

enum spawn_report_kind { SPAWN_STARTED, SPAWN_FAILED, SPAWN_ENDED };

struct spawn_report {
    uint64_t id;
    enum spawn_report_kind kind;
    int32_t error_number;       /* of SPAWN_FAILED */
    int32_t status;             /* of SPAWN_ENDED: as waitpid(2) has it */
    uint32_t uid;               /* it runs, or ran, as */
    int64_t cpu_us;             /* of SPAWN_ENDED: of the program and those it waited for */
    int64_t peak_bytes;         /* of the largest of them */
    char text[SPAWN_TEXT_SIZE]; /* of SPAWN_FAILED: what was being done */
};

/* Appends a frame. Returns 0, or -E_LIMIT. */
MUSTCHECK int spawn_order_encode(const struct spawn_order *order, struct buf *out,
                                 struct error *err);
void spawn_kill_encode(uint64_t id, struct buf *out);

/* An order as the helper has it. */
struct spawn_received {
    bool kills; /* `order.id`, and nothing else is told */
    struct spawn_order order;
    const char *strings[SPAWN_STRINGS_MAX + 2]; /* of argv and envp, in the frame */
};

/* Reads a frame, which must live as long as *out; `fds` came along. Returns 0 or -E_PROTOCOL. */
MUSTCHECK int spawn_order_decode(struct text frame, const int *fds, size_t fd_count,
                                 struct spawn_received *out, struct error *err);
