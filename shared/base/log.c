/* Structured logs: one line is formatted on the stack and leaves with one write. */

#include "shared/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/base/clock.h"

#define LINE_BYTES  4096
#define VALUE_BYTES 1024

struct line {
    char bytes[LINE_BYTES];
    size_t len;
};

static struct {
    const char *program;
    enum log_level level;
    enum log_format format;
    int fd;
    uint64_t dropped;
} state = {"penstock", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT, STDERR_FILENO, 0};

static _Thread_local struct log_context *current;

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

void log_init(const char *program, enum log_level level, enum log_format format)
{
    state.program = program;
    state.level = level;
    state.format = format;
}

void log_to_fd(int fd)
{
    state.fd = fd;
}

bool log_enabled(enum log_level level)
{
    return level >= state.level;
}

struct log_context *log_context_swap(struct log_context *context)
{
    struct log_context *before = current;

    current = context;
    return before;
}

uint64_t log_dropped(void)
{
    return __atomic_load_n(&state.dropped, __ATOMIC_RELAXED);
}

static void put(struct line *line, const char *bytes, size_t len)
{
    size_t room = sizeof(line->bytes) - 1 - line->len; /* one byte is kept for the line feed */

    if (len > room)
        len = room;
    memcpy(line->bytes + line->len, bytes, len);
    line->len += len;
}

static void put_string(struct line *line, const char *string)
{
    put(line, string, strlen(string));
}

/* Quoted, with what would break the line escaped the way JSON does: logfmt readers agree. */
static void put_quoted(struct line *line, const char *value)
{
    size_t count = 0;

    put(line, "\"", 1);
    for (; *value && count < VALUE_BYTES; value++, count++) {
        unsigned char c = (unsigned char)*value;
        char escaped[8];

        if (c == '"' || c == '\\')
            put(line, (char[]){'\\', (char)c}, 2);
        else if (c == '\n')
            put(line, "\\n", 2);
        else if (c < 0x20 || c == 0x7F) {
            snprintf(escaped, sizeof(escaped), "\\u%04x", c);
            put_string(line, escaped);
        } else
            put(line, value, 1);
    }
    put(line, *value ? "...\"" : "\"", *value ? 4 : 1);
}

static bool needs_quotes(const char *value)
{
    if (!*value)
        return true;
    for (; *value; value++)
        if ((unsigned char)*value <= ' ' || *value == '"' || *value == '=' || *value == '\\' ||
            *value == 0x7F)
            return true;
    return false;
}

static void put_key(struct line *line, const char *key)
{
    if (state.format == LOG_FORMAT_JSON) {
        put_string(line, line->len > 1 ? ",\"" : "\"");
        put_string(line, key);
        put(line, "\":", 2);
        return;
    }
    if (line->len > 0)
        put(line, " ", 1);
    put_string(line, key);
    put(line, "=", 1);
}

static void put_pair(struct line *line, const char *key, const char *value)
{
    put_key(line, key);
    if (!value)
        put_string(line, state.format == LOG_FORMAT_JSON ? "null" : "-");
    else if (state.format == LOG_FORMAT_JSON || needs_quotes(value))
        put_quoted(line, value);
    else
        put(line, value, strnlen(value, VALUE_BYTES));
}

static void put_field(struct line *line, const struct log_field *field)
{
    char number[24];

    if (field->type == LOG_FIELD_STRING) {
        put_pair(line, field->key, field->string);
        return;
    }
    put_key(line, field->key);
    if (field->type == LOG_FIELD_BOOL) {
        put_string(line, field->number ? "true" : "false");
        return;
    }
    snprintf(number, sizeof(number), "%" PRId64, field->number);
    put_string(line, number);
}

static void put_time(struct line *line)
{
    int64_t wall_ms = clock_wall_ms();
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    char stamp[40];
    size_t len;

    gmtime_r(&seconds, &tm);
    len = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(stamp + len, sizeof(stamp) - len, ".%03dZ", (int)(wall_ms % 1000));
    put_pair(line, "time", stamp);
}

static void put_context(struct line *line, const struct log_context *context)
{
    if (!context)
        return;
    if (context->run[0])
        put_pair(line, "run", context->run);
    if (context->thread[0])
        put_pair(line, "thread", context->thread);
    if (context->worker[0])
        put_pair(line, "worker", context->worker);
    if (context->trace[0])
        put_pair(line, "trace", context->trace);
}

static void write_line(struct line *line)
{
    ssize_t written;

    line->bytes[line->len++] = '\n';
    do
        written = write(state.fd, line->bytes, line->len);
    while (written < 0 && errno == EINTR);
    if (written < 0)
        __atomic_add_fetch(&state.dropped, 1, __ATOMIC_RELAXED);
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    struct line line;
    int saved_errno = errno;

    line.len = 0;
    if (!log_enabled(level))
        return;
    if (state.format == LOG_FORMAT_JSON)
        put(&line, "{", 1);
    put_time(&line);
    put_pair(&line, "level", level_names[level]);
    put_pair(&line, "program", state.program);
    put_pair(&line, "msg", message);
    put_context(&line, current);
    for (; fields->type != LOG_FIELD_END; fields++)
        put_field(&line, fields);
    if (state.format == LOG_FORMAT_JSON) {
        if (line.len > sizeof(line.bytes) - 3)
            line.len = sizeof(line.bytes) - 3;
        put(&line, "}", 1);
    }
    write_line(&line);
    errno = saved_errno;
}

bool log_level_parse(const char *word, enum log_level *out)
{
    for (int i = LOG_LEVEL_DEBUG; i <= LOG_LEVEL_OFF; i++) {
        if (strcmp(word, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_format_parse(const char *word, enum log_format *out)
{
    if (strcmp(word, "logfmt") == 0)
        *out = LOG_FORMAT_LOGFMT;
    else if (strcmp(word, "json") == 0)
        *out = LOG_FORMAT_JSON;
    else
        return false;
    return true;
}
