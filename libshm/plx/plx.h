/* plx.h - all of libshm. */
#ifndef PLX_PLX_H
#define PLX_PLX_H

#include <plx/buffer.h>
#include <plx/channel.h>
#include <plx/common.h>
#include <plx/envelope.h>
#include <plx/event.h>
#include <plx/inspect.h>
#include <plx/key.h>
#include <plx/latest.h>
#include <plx/lines.h>
#include <plx/log.h>
#include <plx/mpmc.h>
#include <plx/mpsc.h>
#include <plx/partition.h>
#include <plx/pool.h>
#include <plx/process.h>
#include <plx/publisher.h>
#include <plx/quick.h>
#include <plx/request.h>
#include <plx/ring.h>
#include <plx/segment.h>
#include <plx/select.h>
#include <plx/spsc.h>
#include <plx/subscriber.h>
#include <plx/supervise.h>
#include <plx/table.h>
#include <plx/type.h>
#include <plx/worker.h>
#include <plx/workers.h>

#endif
