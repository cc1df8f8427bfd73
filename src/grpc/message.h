/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between protobuf's messages and what the services work on. */
#ifndef HONE_GRPC_MESSAGE_H
#define HONE_GRPC_MESSAGE_H

#include "base/buf.h"
#include "katib.pb-c.h"
#include "model/spec.h"

/* The Katib file that an Experiment message means, with a trial template that only names the parameters; new reference. */
json_t *message_document(const Katib__Experiment *e);

/* A parameter's value out of its text; new reference, NULL = it is not one of its values. */
json_t *message_value(const struct param *p, const char *given);

void message_write(const ProtobufCMessage *m, struct buf *out);

#endif
