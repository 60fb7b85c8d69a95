/* Packing. Nobody changes the files meanwhile: everything else in the sandbox has been killed. */

#include "worker/tools/sandbox/inside/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SKIPPED_MAX 20 /* are told */

struct packing {
    int out;
    const struct pack_limits *limits;
    uint64_t bytes;
    uint64_t files;
    int skipped;
};

/* A reader that is gone ends this process, too: there is nobody to tell. */
static void send(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t put = write(fd, at, len);

        if (put < 0 && errno != EINTR)
            _exit(1);
        if (put > 0) {
            at += put;
            len -= (size_t)put;
        }
    }
}

static void send_head(int fd, enum archive_kind kind, struct text path, uint64_t bytes,
                      bool executable)
{
    const struct archive_head head = {
        .magic = ARCHIVE_MAGIC,
        .kind = (uint8_t)kind,
        .executable = executable,
        .path_bytes = (uint16_t)path.len,
        .bytes = bytes,
    };

    send(fd, &head, sizeof(head));
    send(fd, path.ptr, path.len);
}

static void skip(struct packing *packing, struct text path, const char *why)
{
    if (!archive_path_fits(path) || packing->skipped++ >= SKIPPED_MAX)
        return;
    send_head(packing->out, ARCHIVE_SKIPPED, path, strlen(why), false);
    send(packing->out, why, strlen(why));
}

/* As many bytes as the head has said, whatever the file has by now. */
static void send_file(struct packing *packing, int fd, uint64_t bytes)
{
    static char piece[65536];

    while (bytes > 0) {
        size_t wanted = bytes < sizeof(piece) ? (size_t)bytes : sizeof(piece);
        ssize_t got = read(fd, piece, wanted);

        if (got <= 0) {
            memset(piece, 0, wanted);
            got = (ssize_t)wanted;
        }
        send(packing->out, piece, (size_t)got);
        bytes -= (uint64_t)got;
    }
}

static void pack_file(struct packing *packing, int folder, const char *name, struct text path)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat info;

    if (fd < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
        skip(packing, path, "it can't be read");
    } else if (packing->files >= packing->limits->files) {
        skip(packing, path, "there are too many files");
    } else if ((uint64_t)info.st_size > packing->limits->bytes - packing->bytes) {
        skip(packing, path, "the files are too large together");
    } else {
        packing->files++;
        packing->bytes += (uint64_t)info.st_size;
        send_head(packing->out, ARCHIVE_FILE, path, (uint64_t)info.st_size,
                  (info.st_mode & 0100) != 0);
        send_file(packing, fd, (uint64_t)info.st_size);
    }
    if (fd >= 0)
        close(fd);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void pack_level(struct packing *packing, int folder, const char *prefix, int depth);

static void pack_entry(struct packing *packing, int folder, const char *name, const char *prefix,
                       int depth)
{
    char path[ARCHIVE_PATH_MAX + 2];
    int length = snprintf(path, sizeof(path), "%s/%s", prefix, name);
    struct text text = {path, (size_t)length};
    struct stat info;

    if ((size_t)length >= sizeof(path) || !archive_path_fits(text)) {
        skip(packing, text_of(prefix), "a name in it is too long, or no UTF-8");
    } else if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) < 0) {
        skip(packing, text, "it can't be read");
    } else if (S_ISREG(info.st_mode)) {
        pack_file(packing, folder, name, text);
    } else if (S_ISDIR(info.st_mode) && packing->files < packing->limits->files) {
        int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        packing->files++;
        send_head(packing->out, ARCHIVE_FOLDER, text, 0, false);
        pack_level(packing, inner, path, depth + 1);
    } else {
        skip(packing, text, S_ISLNK(info.st_mode) ? "it is a link" : "it is no regular file");
    }
}

/* Closes the folder. The depth is bounded by the length of paths that fit. */
static void pack_level(struct packing *packing, int folder, const char *prefix, int depth)
{
    struct dirent **entries = NULL;
    int count = folder < 0 || depth > ARCHIVE_DEPTH_MAX
                    ? -1
                    : scandirat(folder, ".", &entries, NULL, by_name);

    if (count < 0)
        skip(packing, text_of(prefix), "it can't be read");
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;

        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            pack_entry(packing, folder, name, prefix, depth);
        free(entries[i]);
    }
    free(entries);
    if (folder >= 0)
        close(folder);
}

void pack_folder(int fd, const char *name, const struct pack_limits *limits)
{
    struct packing packing = {.out = fd, .limits = limits};

    pack_level(&packing, open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), name, 1);
}

void pack_end(int fd, const struct archive_end *end)
{
    send_head(fd, ARCHIVE_END, TEXT_NONE, sizeof(*end), false);
    send(fd, end, sizeof(*end));
}
