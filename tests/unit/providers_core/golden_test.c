/* The bodies of the requests of golden_requests.h, letter by letter but for blanks, as they are
 * kept in tests/golden: what a change of an encoder does to them is read in its difference. That
 * the vendors would take them is judged by tests/e2e/golden.test.mjs, by the types of their SDKs.
 *
 * With GOLDEN_UPDATE set, the files are written. */

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "golden_requests.h"
#include "providers/models/servers.h"
#include "providers/reply/embedding.h"
#include "providers/reply/opaque_state.h"
#include "shared/base/error.h"
#include "support.h"

#define FOLDER   SOURCE_DIR "/tests/golden"
#define MESSAGES 8 /* of one request, at most */
#define RENEW                                                                                      \
    "if that is meant, GOLDEN_UPDATE=1 build/dev/bin/unit_providers_core --filter 'golden/*' "     \
    "writes it"

/* ---- bodies ---- */

static struct provider_target target_of(const struct golden_server *server, const char *model)
{
    const struct server_info *known = server_find(server->base_url);
    struct provider_target target = support_target_of(server->format, server->provider_name);

    target.base_url = server->base_url;
    target.context_tokens = server->context_tokens;
    if (known)
        target.habits = known->habits;
    cr_assert_lt(snprintf(target.model, sizeof(target.model), "%s", model),
                 (int)sizeof(target.model));
    return target;
}

static void encode_chat(const struct golden_server *server, const struct golden_case *one,
                        struct provider_wire *wire)
{
    struct provider_target target = target_of(server, server->model);
    struct chat_request request = one->request;
    struct chat_message messages[MESSAGES];
    struct error err = {0};
    struct arena arena;

    arena_init(&arena, 0);
    cr_assert_leq(request.messages_count, MESSAGES);
    for (size_t i = 0; i < request.messages_count; i++) {
        messages[i] = request.messages[i];
        if (one->has_state && messages[i].tool_calls_count > 0)
            cr_assert(opaque_state_make(&target, text_of(server->state), &arena,
                                        &messages[i].opaque_state));
    }
    request.messages = messages;
    provider_wire_init(wire);
    cr_assert_eq(server->format->encode(&target, &request, wire, &err), 0, "%s/%s: %s",
                 server->folder, one->name, err.text);
    arena_deinit(&arena);
}

static void encode_embedding(const struct golden_server *server, struct provider_wire *wire)
{
    static const struct text texts[] = {TEXT("one \"1\""), TEXT("zw\xC3\xB6lf")};
    struct provider_target target = target_of(server, server->embedding_model);
    struct embedding_request request = {
        .texts = texts, .count = ARRAY_LENGTH(texts), .dimensions = 256};
    struct error err = {0};

    provider_wire_init(wire);
    cr_assert_eq(server->format->embedding->encode(&target, &request, wire, &err), 0, "%s: %s",
                 server->folder, err.text);
}

/* ---- files ---- */

static void begin_line(struct buf *out, size_t depth)
{
    buf_add_char(out, '\n');
    for (size_t i = 0; i < depth; i++)
        buf_add_string(out, "  ");
}

/* Appends JSON with line breaks and blanks in it, and else as it is: members in their order,
 * numbers as they are written, a member that stands there twice. */
static void add_indented(struct text json, struct buf *out)
{
    bool in_string = false;
    size_t depth = 0;

    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        char next = i + 1 < json.len ? json.ptr[i + 1] : '\0';

        if (!in_string && (c == '}' || c == ']'))
            begin_line(out, --depth);
        buf_add_char(out, c);
        if (in_string && c == '\\')
            buf_add_char(out, json.ptr[++i]);
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '[') && (next == '}' || next == ']'))
            buf_add_char(out, json.ptr[++i]);
        else if (!in_string && (c == '{' || c == '['))
            begin_line(out, ++depth);
        else if (!in_string && c == ',')
            begin_line(out, depth);
        else if (!in_string && c == ':')
            buf_add_char(out, ' ');
    }
    buf_add_char(out, '\n');
}

static void make_folders(const char *path)
{
    char folder[256];

    for (const char *end = path + strlen(FOLDER); end; end = strchr(end + 1, '/')) {
        cr_assert_lt(snprintf(folder, sizeof(folder), "%.*s", (int)(end - path), path),
                     (int)sizeof(folder));
        cr_assert(mkdir(folder, 0777) == 0 || errno == EEXIST, "%s", folder);
    }
}

static void write_golden(const char *path, struct text body)
{
    FILE *file;

    make_folders(path);
    file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fwrite(body.ptr, 1, body.len, file), body.len);
    cr_assert_eq(fclose(file), 0);
}

/* Of a file that is not there: nothing. */
static void read_golden(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "r");
    char piece[4096];
    size_t bytes;

    if (!file)
        return;
    while ((bytes = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_add(out, piece, bytes);
    fclose(file);
}

static void path_of(const struct golden_server *server, const char *name, char path[256])
{
    cr_assert_lt(snprintf(path, 256, "%s/%s/%s.json", FOLDER, server->folder, name), 256);
}

/* The line at `at`, for the message. */
static struct text line_around(struct text text, size_t at)
{
    size_t begin = at < text.len ? at : text.len;
    size_t end = begin;

    while (begin > 0 && text.ptr[begin - 1] != '\n')
        begin--;
    while (end < text.len && text.ptr[end] != '\n')
        end++;
    return (struct text){text.ptr + begin, end - begin};
}

static void tell_difference(const char *path, struct text body, struct text kept)
{
    size_t at = 0;
    size_t line = 1;

    if (kept.len == 0) {
        cr_expect(false, "%s is not there; %s", path, RENEW);
        return;
    }
    for (; at < body.len && at < kept.len && body.ptr[at] == kept.ptr[at]; at++)
        line += body.ptr[at] == '\n';
    cr_expect(false, "%s:%zu: kept is '%.*s', sent is '%.*s'; %s", path, line,
              TEXT_ARGS(text_trim(line_around(kept, at))),
              TEXT_ARGS(text_trim(line_around(body, at))), RENEW);
}

static void compare(const struct golden_server *server, const char *name,
                    const struct provider_wire *wire)
{
    CLEANUP(buf_deinit) struct buf body = {0};
    CLEANUP(buf_deinit) struct buf kept = {0};
    char path[256];

    buf_init(&body, 0);
    buf_init(&kept, 0);
    path_of(server, name, path);
    add_indented(buf_text(&wire->body), &body);
    if (getenv("GOLDEN_UPDATE"))
        write_golden(path, buf_text(&body));
    read_golden(path, &kept);
    if (!text_equal(buf_text(&body), buf_text(&kept)))
        tell_difference(path, buf_text(&body), buf_text(&kept));
}

/* ---- tests ---- */

static void compare_server(const struct golden_server *server)
{
    const struct golden_case *cases;
    size_t count = golden_cases(&cases);

    for (size_t i = 0; i < count; i++) {
        CLEANUP(provider_wire_deinit) struct provider_wire wire;

        if (!golden_is_sent(server, &cases[i]))
            continue;
        encode_chat(server, &cases[i], &wire);
        compare(server, cases[i].name, &wire);
    }
    if (server->embedding_model) {
        CLEANUP(provider_wire_deinit) struct provider_wire wire;

        encode_embedding(server, &wire);
        compare(server, "embedding", &wire);
    }
}

Test(golden, bodies_are_those_that_are_kept)
{
    const struct golden_server *servers;
    size_t count = golden_servers(&servers);

    for (size_t i = 0; i < count; i++)
        compare_server(&servers[i]);
}

static bool is_of_a_case(const char *path)
{
    const struct golden_server *servers;
    const struct golden_case *cases;
    size_t servers_count = golden_servers(&servers);
    size_t cases_count = golden_cases(&cases);
    char expected[256];

    for (size_t i = 0; i < servers_count; i++) {
        path_of(&servers[i], "embedding", expected);
        if (servers[i].embedding_model && strcmp(path, expected) == 0)
            return true;
        for (size_t k = 0; k < cases_count; k++) {
            path_of(&servers[i], cases[k].name, expected);
            if (golden_is_sent(&servers[i], &cases[k]) && strcmp(path, expected) == 0)
                return true;
        }
    }
    return false;
}

static int look_at(const char *path, const struct stat *stat, int kind, struct FTW *place)
{
    (void)stat;
    (void)place;
    cr_expect(kind != FTW_F || is_of_a_case(path), "%s is of no request: delete it", path);
    return 0;
}

Test(golden, each_file_is_of_a_request)
{
    cr_assert_eq(nftw(FOLDER, look_at, 8, FTW_PHYS), 0);
}

static bool has_server(const struct provider *format, bool that_embeds)
{
    const struct golden_server *servers;
    size_t count = golden_servers(&servers);

    for (size_t i = 0; i < count; i++)
        if (servers[i].format == format && !servers[i].is_brief &&
            (servers[i].embedding_model || !that_embeds))
            return true;
    return false;
}

Test(golden, each_format_is_there_with_its_embeddings)
{
    char kinds[256];
    struct text rest;
    struct text kind;

    format_kinds(kinds, sizeof(kinds));
    rest = text_of(kinds);
    for (bool more = true; more;) {
        char name[64];
        const struct provider *format;

        more = text_cut(rest, ',', &kind, &rest);
        kind = text_trim(more ? kind : rest);
        cr_assert_lt(snprintf(name, sizeof(name), "%.*s", TEXT_ARGS(kind)), (int)sizeof(name));
        format = format_find(name);
        cr_assert_not_null(format, "%s", name);
        if (format->embedding && format->embedding->make)
            continue; /* nothing goes over the wire */
        cr_expect(has_server(format, false), "%s", name);
        cr_expect_eq(has_server(format, true), format->embedding != NULL, "%s", name);
    }
}
