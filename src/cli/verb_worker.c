/* SPDX-License-Identifier: GPL-3.0-or-later */
/* worker: what src/worker needs to know, from flags and from the service. */
#include "base/id.h"
#include "base/mem.h"
#include "cli/client.h"
#include "cli/document.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { DIRS_MAX = 1000, LEASE_S = 120, NAME_BYTES = 200 };

const struct option_row options_worker[] = {
    {"slots", 'j', OPT_INT, "N", "how many trials at once (1)"},
    {"name", 0, OPT_TEXT, "NAME", "what its trials are leased under; no other worker may have it (otherwise: this machine's and a few letters)"},
    {"dir", 0, OPT_TEXT, "DIR", "where it keeps its trials' logs and files (otherwise: the first under ~/.local/state/hone/worker that no worker uses)"},
    {"lease", 0, OPT_DURATION, "TIME", "how long after its last word a trial is given to another (2m)"},
    {"metrics", 0, OPT_TEXT, "FROM", "where the metrics are: stdout (otherwise), stderr or file:PATH, as name=value or JSON lines; tensorboard[:DIR]; mlflow; kubeflow"},
    {"grace", 0, OPT_DURATION, "TIME", "how long a trial that is stopped has between SIGTERM and SIGKILL (10s)"},
    {0},
};

/* --- its directory: its lock says that it is in use, its file `name` who it was */

/* -1: it cannot be used, errno says why. Stays open as long as the process lives. */
static int lock_dir(const char *dir)
{
    CLEANUP_FREE char *file = x_asprintf("%s/worker.lock", dir);
    if (file_write(file, "", 0600, NULL)) /* makes the directories */
        return -1;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int why = errno;
    if (fd >= 0)
        (void)close(fd);
    errno = why;
    return -1;
}

static char *state_dir(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    return state && state[0] ? x_asprintf("%s/hone/worker", state) : x_asprintf("%s/.local/state/hone/worker", home && home[0] ? home : "/tmp");
}

static enum err take_dir(const struct args *args, char **dir, int *lock, struct error *error)
{
    const char *given = args_text(args, "dir");
    CLEANUP_FREE char *base = given ? x_strdup(given) : state_dir();
    for (int n = 1; n <= (given ? 1 : DIRS_MAX); n++) {
        *dir = given ? x_strdup(base) : x_asprintf("%s/%d", base, n);
        *lock = lock_dir(*dir);
        if (*lock >= 0)
            return OK;
        int why = errno;
        (void)err_set(error, why == EWOULDBLOCK ? ERR_CONFLICT : ERR_STORAGE, "WORKER_DIR", "%s cannot be used: %s; give another with --dir DIR", *dir,
                      why == EWOULDBLOCK ? "another worker runs there" : strerror(why));
        free(*dir);
        *dir = NULL;
        if (why != EWOULDBLOCK)
            break;
    }
    return error->code;
}

static char *worker_name(const struct args *args, const char *dir)
{
    if (args_has(args, "name"))
        return x_strdup(args_text(args, "name"));
    CLEANUP_FREE char *path = x_asprintf("%s/name", dir);
    size_t len;
    char *kept = file_read(path, NAME_BYTES, &len, NULL);
    if (kept && len) {
        kept[strcspn(kept, "\n")] = '\0';
        return kept;
    }
    free(kept);
    char host[64] = "", uid[ID_TEXT], letters[8];
    (void)gethostname(host, sizeof host - 1);
    id_new(0, uid);
    id_short(uid, letters, 6);
    char *name = x_asprintf("%s-%s", host, letters);
    (void)file_write(path, name, 0600, NULL); /* a worker that cannot keep it has another next time */
    return name;
}

/* --- the experiment with our command as its `run`: checked, and filled in, as any file */

static struct spec *spec_of(struct cli *cli, json_t *document, struct error *error)
{
    struct problems problems = {0};
    struct spec *spec = spec_new(document, cli->embed->catalog, &problems);
    print_places("the command", problems.items, problems.n, false);
    problems_release(&problems);
    if (!spec)
        (void)err_set(error, ERR_USAGE, "COMMAND_INVALID", "the command does not fit the experiment");
    return spec;
}

static struct spec *make_spec(struct cli *cli, const json_t *experiment, struct error *error)
{
    json_t *d = json_deep_copy(json_object_get(experiment, "spec"));
    CLEANUP_FREE char *cwd = getcwd(NULL, 0);
    struct spec *spec = NULL;
    if (json_object_get(d, "run")) {
        (void)err_set(error, ERR_CONFLICT, "EXPERIMENT_RUNS_ITSELF", "%s has a `run` section: its service runs its trials; leave `run` out of the file to run them here",
                      json_string_value(json_object_get(experiment, "name")));
    } else if (!document_command(d, &cli->args, error)) {
        json_t *run = json_object_get(d, "run");
        if (cwd)
            (void)json_object_set_new(run, "cwd", json_string(cwd));
        if (args_has(&cli->args, "grace"))
            (void)json_object_set_new(run, "grace", json_real(args_seconds(&cli->args, "grace", 0)));
        (void)json_object_set_new(d, "trials", json_pack("{s:i, s:i}", "max", 1, "parallel", 1)); /* not ours to count, and a file with `run` needs them */
        spec = spec_of(cli, d, error);
    }
    json_decref(d);
    return spec;
}

static void say_line(void *arg, const char *line)
{
    say(arg, "%s", line);
}

static enum err check_slots(const struct args *args, int64_t *slots, double *lease_s, struct error *error)
{
    *slots = args_int(args, "slots", 1);
    *lease_s = args_seconds(args, "lease", LEASE_S);
    if (*slots < 1 || *slots > WORKER_SLOTS_MAX)
        return err_set(error, ERR_USAGE, NULL, "--slots must be from 1 to %d", WORKER_SLOTS_MAX);
    return *lease_s < 1 ? err_set(error, ERR_USAGE, NULL, "--lease must be 1s or more") : OK;
}

static enum err run(struct cli *cli, const json_t *experiment, const struct spec *spec, struct error *error)
{
    CLEANUP_FREE char *dir = NULL;
    int lock = -1;
    int64_t slots;
    double lease_s;
    enum err rc = check_slots(&cli->args, &slots, &lease_s, error);
    if (!rc)
        rc = take_dir(&cli->args, &dir, &lock, error);
    if (rc)
        return rc;
    CLEANUP_FREE char *name = worker_name(&cli->args, dir);
    say(cli, "worker %s: %d slot%s for %s; logs under %s", name, (int)slots, slots == 1 ? "" : "s", json_string_value(json_object_get(experiment, "name")), dir);
    rc = worker_run(&(struct worker_config){.rest = cli->rest,
                                            .url = cli->url,
                                            .project = cli->project,
                                            .experiment = json_string_value(json_object_get(experiment, "name")),
                                            .uid = json_string_value(json_object_get(experiment, "uid")),
                                            .seed = (uint64_t)json_integer_value(json_object_get(experiment, "seed")),
                                            .spec = spec,
                                            .backend = spec->backend,
                                            .name = name,
                                            .dir = dir,
                                            .slots = (int)slots,
                                            .lease_s = lease_s,
                                            .say = say_line,
                                            .arg = cli},
                    error);
    (void)close(lock);
    return rc;
}

enum err verb_worker(struct cli *cli, struct error *error)
{
    enum err rc = client_open(cli, error);
    if (rc)
        return rc;
    CLEANUP_FREE char *name = experiment_name(cli, cli->args.words[0], error);
    if (!name)
        return error->code;
    CLEANUP_FREE char *path = URL("/projects/{}/experiments/{}", cli->project, name);
    json_t *experiment;
    rc = client_get(cli, path, &experiment, error);
    if (rc)
        return rc;
    struct spec *spec = make_spec(cli, experiment, error);
    rc = spec ? run(cli, experiment, spec, error) : error->code;
    spec_free(spec);
    json_decref(experiment);
    return rc;
}
