/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What pods, conditions and events say, as reasons for people. */
#include "backends/kubernetes_object.h"

#include "base/clock.h"
#include "base/mem.h"
#include "model/gjson.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { WHOLE = 19 /* 2026-11-25T07:00:00 */, OFFSET = 6 /* +02:00 */ };
#define NS 1000000000

bool kube_time(const char *text, int64_t *ns, const char **rest)
{
    if (strnlen(text, WHOLE + 1) <= WHOLE)
        return false;
    size_t digits = text[WHOLE] == '.' ? strspn(text + WHOLE + 1, "0123456789") : 0;
    const char *zone = text + WHOLE + (digits ? digits + 1 : 0);
    size_t zone_len = *zone == 'Z' ? 1 : OFFSET;
    char plain[WHOLE + OFFSET + 1];
    int64_t ms, fraction = 0;
    if (digits > 9 || strnlen(zone, zone_len) < zone_len)
        return false;
    (void)snprintf(plain, sizeof plain, "%.*s%.*s", WHOLE, text, (int)zone_len, zone);
    if (!clock_parse(plain, &ms) || ms < 0 || ms > INT64_MAX / NS * 1000 - 1000)
        return false;
    for (size_t i = 0; i < 9; i++)
        fraction = fraction * 10 + (i < digits ? text[WHOLE + 1 + i] - '0' : 0);
    *ns = ms / 1000 * NS + fraction;
    *rest = zone + zone_len;
    return true;
}

static int64_t time_ms(const json_t *object, const char *path)
{
    int64_t ms;
    return clock_parse(kube_text(object, path), &ms) ? ms : 0;
}

__attribute__((format(printf, 3, 4))) static void say(struct kube_pod *p, const char *reason, const char *fmt, ...)
{
    (void)snprintf(p->reason, sizeof p->reason, "%s", reason);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(p->words, sizeof p->words, fmt, ap);
    va_end(ap);
}

static const json_t *find_by(const json_t *list, const char *member, const char *value)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        if (!strcmp(kube_text(item, member), value))
            return item;
    }
    return NULL;
}

/* ---- pods ---- */

/* Why a container waits: what Kubernetes calls it, what it means, and whether waiting helps. */
static void read_waiting(const json_t *waiting, struct kube_pod *p)
{
    static const struct {
        const char *name, *reason, *words;
        bool hopeless;
    } table[] = {
        {"InvalidImageName", "IMAGE", "the name of its image is not right", true},
        {"ErrImageNeverPull", "IMAGE", "its image is not on the node, and may not be pulled (imagePullPolicy: Never)", false},
        {"ImagePullBackOff", "IMAGE", "its image cannot be pulled", false},
        {"ErrImagePull", "IMAGE", "its image cannot be pulled", false},
        {"ImageInspectError", "IMAGE", "its image cannot be read", false},
        {"CreateContainerConfigError", "CONFIG", "its container refers to something that is not there", false},
        {"CreateContainerError", "CONFIG", "its container cannot be made", false},
        {"RunContainerError", "CONFIG", "its container cannot be started", false},
    };
    const char *name = kube_text(waiting, "reason"), *message = kube_text(waiting, "message");
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (!strcmp(name, table[i].name)) {
            p->stuck = true;
            p->hopeless = table[i].hopeless;
            say(p, table[i].reason, "%s (%s)%s%.250s", table[i].words, name, *message ? ": " : "", message);
        }
}

static void read_ended(const json_t *ended, struct kube_pod *p)
{
    const json_t *code = json_object_get(ended, "exitCode"), *number = json_object_get(ended, "signal");
    const char *reason = kube_text(ended, "reason"), *message = kube_text(ended, "message");
    p->terminated = p->started = true;
    p->exit_code = json_is_integer(code) ? (int)json_integer_value(code) : -1;
    p->signal = json_is_integer(number) && json_integer_value(number) > 0 ? (int)json_integer_value(number) : p->exit_code > 128 ? p->exit_code - 128 : -1;
    p->started_ms = time_ms(ended, "startedAt");
    p->ended_ms = time_ms(ended, "finishedAt");
    p->oom = !strcmp(reason, "OOMKilled");
    if (p->oom)
        say(p, "OOM", "its container took more memory than its limit (OOMKilled)");
    else if (!strcmp(reason, "ContainerCannotRun") || !strcmp(reason, "StartError"))
        say(p, "CANNOT_RUN", "its container could not be started: %.300s", message);
    else if (p->exit_code > 0)
        say(p, "EXIT_CODE", "it ended with exit code %d%s%.200s", p->exit_code, *message ? ": " : "", message);
}

static void read_container(const json_t *status, struct kube_pod *p)
{
    const json_t *state = json_object_get(status, "state"), *running = json_object_get(state, "running"), *ended = json_object_get(state, "terminated");
    p->restarts = (int)json_integer_value(json_object_get(status, "restartCount"));
    if (running) {
        p->started = true;
        p->started_ms = time_ms(running, "startedAt");
    } else if (ended) {
        read_ended(ended, p);
    } else {
        p->started = p->restarts > 0;
        read_waiting(json_object_get(state, "waiting"), p);
    }
}

/* What is not the trial's own fault. */
static void read_disruption(const json_t *pod, struct kube_pod *p)
{
    const char *reason = kube_text(pod, "status/reason"), *message = kube_text(pod, "status/message");
    const json_t *disrupted = find_by(kube_at(pod, "status/conditions"), "type", "DisruptionTarget");
    static const char *const lost[] = {"Evicted", "Preempting", "Preempted", "NodeLost", "NodeShutdown", "Terminated", "Shutdown", "UnexpectedAdmissionError", "NodeAffinity"};
    if (disrupted && !strcmp(kube_text(disrupted, "status"), "True")) {
        p->lost = true;
        say(p, "EVICTED", "its pod was taken from it (%s): %.250s", kube_text(disrupted, "reason"), kube_text(disrupted, "message"));
    }
    for (size_t i = 0; i < ARRAY_LEN(lost); i++)
        if (!strcmp(reason, lost[i])) {
            p->lost = true;
            say(p, "EVICTED", "its pod was taken from it (%s): %.250s", reason, message);
        }
}

static void read_phase(const json_t *pod, struct kube_pod *p)
{
    const json_t *scheduled = find_by(kube_at(pod, "status/conditions"), "type", "PodScheduled");
    const char *phase = kube_text(pod, "status/phase");
    p->scheduled = *kube_text(pod, "spec/nodeName") != '\0';
    if (!p->scheduled && scheduled && !strcmp(kube_text(scheduled, "status"), "False"))
        say(p, "UNSCHEDULABLE", "no node takes its pod (%s): %.250s", kube_text(scheduled, "reason"), kube_text(scheduled, "message"));
    if (!strcmp(phase, "Succeeded") || !strcmp(phase, "Failed"))
        p->terminated = true;
    if (!strcmp(phase, "Failed") && !*p->words)
        say(p, "FAILED", "its pod failed%s%s%s%.250s", *kube_text(pod, "status/reason") ? " (" : "", kube_text(pod, "status/reason"),
            *kube_text(pod, "status/reason") ? "): " : "", kube_text(pod, "status/message"));
}

static bool has_labels(const json_t *pod, const json_t *labels)
{
    const char *name;
    json_t *value, *own = json_object_get(json_object_get(pod, "metadata"), "labels");
    json_object_foreach((json_t *)(uintptr_t)labels, name, value)
    {
        if (!json_equal(json_object_get(own, name), value))
            return false;
    }
    return true;
}

/* An init container that cannot be started, or failed, holds up the one that is meant. */
static void read_init(const json_t *pod, struct kube_pod *p)
{
    size_t i;
    json_t *status;
    json_array_foreach((json_t *)(uintptr_t)kube_at(pod, "status/initContainerStatuses"), i, status)
    {
        struct kube_pod init = {.exit_code = -1, .signal = -1};
        read_container(status, &init);
        if (!*init.words || *p->words)
            continue;
        p->stuck = init.stuck;
        p->hopeless = init.hopeless;
        say(p, init.reason, "its init container %.60s: %.300s", kube_text(status, "name"), init.words);
    }
}

void kube_pod_read(const json_t *pod, const char *container, const json_t *labels, struct kube_pod *p)
{
    const json_t *statuses = kube_at(pod, "status/containerStatuses");
    const json_t *status = container && json_array_size(statuses) > 1 ? find_by(statuses, "name", container) : json_array_get(statuses, 0);
    *p = (struct kube_pod){.exit_code = -1, .signal = -1};
    (void)snprintf(p->uid, sizeof p->uid, "%s", kube_text(pod, "metadata/uid"));
    (void)snprintf(p->name, sizeof p->name, "%s", kube_text(pod, "metadata/name"));
    p->created_ms = time_ms(pod, "metadata/creationTimestamp");
    p->primary = has_labels(pod, labels);
    if (status)
        read_container(status, p);
    read_init(pod, p);
    read_phase(pod, p);
    read_disruption(pod, p);
}

/* ---- an end ---- */

bool kube_met(struct gjson *const *conditions, size_t n, const json_t *object, struct kube_verdict *out)
{
    bool met = false;
    for (size_t i = 0; i < n && !met; i++) {
        json_t *found = gjson_find(conditions[i], object);
        met = gjson_met(found);
        if (met) {
            const json_t *first = json_is_array(found) ? json_array_get(found, 0) : found;
            (void)snprintf(out->reason, sizeof out->reason, "%s", kube_text(first, "reason"));
            (void)snprintf(out->message, sizeof out->message, "%s", kube_text(first, "message"));
        }
        json_decref(found);
    }
    return met;
}

static void fail(struct backend_status *s, enum backend_cause cause, const char *reason, const char *message)
{
    s->phase = PHASE_FAILED;
    s->cause = cause;
    (void)snprintf(s->reason, sizeof s->reason, "%s", reason);
    (void)snprintf(s->message, sizeof s->message, "%s", message);
}

void kube_failure(const struct kube_verdict *v, const struct kube_pod *pods, size_t n, double time_limit_s, struct backend_status *s)
{
    char text[400];
    const struct kube_pod *worst = NULL;
    for (size_t i = 0; i < n; i++) /* the pod that says most: one that was lost, then the last one that says something */
        if (*pods[i].words && !(worst && worst->lost))
            worst = &pods[i];
    if (worst) {
        s->exit_code = worst->exit_code;
        s->signal = worst->signal;
    }
    if (!strcmp(v->reason, "DeadlineExceeded")) {
        (void)snprintf(text, sizeof text, time_limit_s > 0 ? "it ran longer than its time limit of %g s (DeadlineExceeded)" : "it ran longer than its deadline (DeadlineExceeded)",
                       time_limit_s);
        fail(s, CAUSE_TIMEOUT, "TIMEOUT", text);
    } else if (worst) {
        fail(s, worst->lost ? CAUSE_LOST : worst->oom ? CAUSE_OOM : worst->hopeless ? CAUSE_INVALID : CAUSE_USER, worst->reason, worst->words);
    } else if (n && pods[n - 1].deleted && !pods[n - 1].terminated) {
        fail(s, CAUSE_LOST, "DELETED", "its pod was removed from outside");
    } else {
        (void)snprintf(text, sizeof text, "%s%s%.300s", *v->reason ? v->reason : "it failed", *v->message ? ": " : "", v->message);
        fail(s, CAUSE_USER, "FAILED", text);
    }
}
