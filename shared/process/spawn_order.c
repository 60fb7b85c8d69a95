/* Frames of orders: a head of numbers, then strings, each ended by a zero. */

#include "shared/process/spawn_order.h"

#include "shared/base/error.h"

#define FRAME_MAGIC 0x70737031U /* of this form */

struct frame_head {
    uint32_t magic;
    uint32_t kills;
    uint64_t id;
    uint32_t arguments;
    uint32_t variables;
    uint32_t groups;
    uint32_t fd_count;
    uint32_t limit_count;
    int32_t nice;
    uint32_t idle;
    uint32_t spare;
    uint32_t first_uid;
    uint32_t uid_count;
    uint64_t group_memory_bytes;
    uint64_t group_processes;
    int32_t fd_numbers[SPAWN_FDS_MAX];
    struct spawn_limit limits[SPAWN_LIMITS_MAX];
};

static uint32_t count_strings(const char *const *list)
{
    uint32_t count = 0;

    while (list && list[count])
        count++;
    return count;
}

static void add_strings(struct buf *out, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_add(out, list[i], strlen(list[i]) + 1);
}

int spawn_order_encode(const struct spawn_order *order, struct buf *out, struct error *err)
{
    struct frame_head head = {
        .magic = FRAME_MAGIC,
        .id = order->id,
        .arguments = count_strings(order->argv),
        .variables = count_strings(order->envp),
        .groups = (uint32_t)order->group_count,
        .fd_count = (uint32_t)order->fd_count,
        .limit_count = (uint32_t)order->limit_count,
        .nice = order->nice,
        .idle = order->idle,
        .first_uid = order->first_uid,
        .uid_count = order->uid_count,
        .group_memory_bytes = order->group_memory_bytes,
        .group_processes = order->group_processes,
    };

    ASSERT(order->fd_count <= SPAWN_FDS_MAX && order->limit_count <= SPAWN_LIMITS_MAX &&
           order->group_count <= SPAWN_GROUPS_MAX);
    if (head.arguments + head.variables > SPAWN_STRINGS_MAX)
        return error_set(err, E_LIMIT, "more than %d arguments", SPAWN_STRINGS_MAX);
    memcpy(head.limits, order->limits, order->limit_count * sizeof(*head.limits));
    for (size_t i = 0; i < order->fd_count; i++)
        head.fd_numbers[i] = order->fd_numbers[i];
    buf_add(out, &head, sizeof(head));
    add_strings(out, order->argv, head.arguments);
    add_strings(out, order->envp, head.variables);
    add_strings(out, order->groups, head.groups);
    if (out->failed || out->len > SPAWN_FRAME_MAX)
        return error_set(err, E_LIMIT, "the arguments have more than %zu bytes", SPAWN_FRAME_MAX);
    return 0;
}

void spawn_kill_encode(uint64_t id, struct buf *out)
{
    struct frame_head head = {.magic = FRAME_MAGIC, .kills = 1, .id = id};

    buf_add(out, &head, sizeof(head));
}

static int malformed(struct error *err)
{
    return error_set(err, E_PROTOCOL, "a frame that is no order");
}

/* Takes `count` strings off *rest. */
static bool take_strings(struct text *rest, size_t count, const char **to)
{
    for (size_t i = 0; i < count; i++) {
        const char *end = rest->len > 0 ? memchr(rest->ptr, 0, rest->len) : NULL;

        if (!end)
            return false;
        to[i] = rest->ptr;
        rest->len -= (size_t)(end - rest->ptr) + 1;
        rest->ptr = end + 1;
    }
    return true;
}

static bool counts_fit(const struct frame_head *head, size_t fd_count)
{
    if (head->magic != FRAME_MAGIC || head->fd_count != fd_count)
        return false;
    if (head->kills)
        return fd_count == 0;
    if (head->arguments == 0 || head->arguments > SPAWN_STRINGS_MAX ||
        head->variables > SPAWN_STRINGS_MAX - head->arguments)
        return false;
    if (fd_count > SPAWN_FDS_MAX || head->limit_count > SPAWN_LIMITS_MAX ||
        head->groups > SPAWN_GROUPS_MAX)
        return false;
    for (size_t i = 0; i < fd_count; i++)
        if (head->fd_numbers[i] < 0 || head->fd_numbers[i] > 63)
            return false;
    return true;
}

int spawn_order_decode(struct text frame, const int *fds, size_t fd_count,
                       struct spawn_received *out, struct error *err)
{
    struct text rest = frame;
    struct frame_head head;

    *out = (struct spawn_received){.kills = false};
    if (frame.len < sizeof(head))
        return malformed(err);
    memcpy(&head, frame.ptr, sizeof(head));
    if (!counts_fit(&head, fd_count))
        return malformed(err);
    rest.ptr += sizeof(head);
    rest.len -= sizeof(head);
    out->kills = head.kills;
    out->order = (struct spawn_order){
        .id = head.id,
        .argv = out->strings,
        .envp = out->strings + head.arguments + 1,
        .fd_count = head.fd_count,
        .limit_count = head.limit_count,
        .first_uid = head.first_uid,
        .uid_count = head.uid_count,
        .nice = head.nice,
        .idle = head.idle != 0,
        .group_count = head.groups,
        .group_memory_bytes = head.group_memory_bytes,
        .group_processes = head.group_processes,
    };
    if (!take_strings(&rest, head.arguments, out->strings) ||
        !take_strings(&rest, head.variables, out->strings + head.arguments + 1) ||
        !take_strings(&rest, head.groups, out->order.groups) || rest.len > 0)
        return malformed(err);
    memcpy(out->order.limits, head.limits, sizeof(out->order.limits));
    for (size_t i = 0; i < fd_count; i++) {
        out->order.fds[i] = fds[i];
        out->order.fd_numbers[i] = head.fd_numbers[i];
    }
    return 0;
}
