/* Scripts by their SHA-1, which is Redis's name for them. Redis may forget scripts at any moment
 * (restart, SCRIPT FLUSH, failover), so NOSCRIPT is answered by sending the text itself: EVAL runs
 * it and keeps it. */

#include <stdlib.h>

#include <openssl/evp.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/redis/redis_internal.h"

#define ARGUMENTS_MAX 100000
#define COUNT_SIZE    24

static void name_by_sha(struct redis_script *script)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    int ok = EVP_Digest(script->lua, strlen(script->lua), digest, &len, EVP_sha1(), NULL);

    ASSERT(ok == 1 && len == 20);
    for (unsigned i = 0; i < len; i++) {
        script->sha[2 * i] = digits[digest[i] >> 4];
        script->sha[2 * i + 1] = digits[digest[i] & 15];
    }
    script->sha[40] = '\0';
}

/* EVALSHA with keys and arguments; `count` holds a number of it. Returns it, for the caller to
 * free. */
static struct text *write_command(struct redis_script *script, const struct text *keys,
                                  size_t keys_count, const struct text *args, size_t args_count,
                                  char count[COUNT_SIZE])
{
    struct text *argv = xcalloc(3 + keys_count + args_count, sizeof(*argv));
    size_t argc = 3;

    if (script->sha[0] == '\0')
        name_by_sha(script);
    argv[0] = TEXT("EVALSHA");
    argv[1] = text_of(script->sha);
    argv[2] = (struct text){count, (size_t)snprintf(count, COUNT_SIZE, "%zu", keys_count)};
    for (size_t i = 0; i < keys_count; i++)
        argv[argc++] = keys[i];
    for (size_t i = 0; i < args_count; i++)
        argv[argc++] = args[i];
    return argv;
}

int redis_script(struct redis *redis, struct redis_script *script, const struct text *keys,
                 size_t keys_count, const struct text *args, size_t args_count,
                 redisReply **out_reply, struct error *err)
{
    CLEANUP(freep) struct text *argv = NULL;
    struct error own = {0};
    char count[COUNT_SIZE];
    size_t argc = 3 + keys_count + args_count;
    int r;

    if (keys_count > ARGUMENTS_MAX || args_count > ARGUMENTS_MAX)
        return error_set(err, E_LIMIT, "script %s: over %d arguments", script->name, ARGUMENTS_MAX);
    argv = write_command(script, keys, keys_count, args, args_count, count);
    r = redis_command(redis, argv, argc, out_reply, &own);
    if (r == -E_REJECTED && text_starts(text_of(own.text), "NOSCRIPT")) {
        argv[0] = TEXT("EVAL");
        argv[1] = text_of(script->lua);
        r = redis_command(redis, argv, argc, out_reply, &own);
    }
    if (r < 0 && err)
        *err = own;
    return r;
}

void redis_post_script(struct redis *redis, struct redis_script *script, const struct text *keys,
                       size_t keys_count, const struct text *args, size_t args_count)
{
    CLEANUP(freep) struct text *argv = NULL;
    char count[COUNT_SIZE];

    argv = write_command(script, keys, keys_count, args, args_count, count);
    redis_post(redis, argv, 3 + keys_count + args_count);
}
