#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

namespace berth {

/// What a coroutine on the event loop returns. Parameters go by value; a reference only where the caller
/// awaits to the end. A coroutine is a named function, never a lambda with captures.
template <class T>
using Task = boost::asio::awaitable<T>;

using EventLoop = boost::asio::io_context;

}  // namespace berth
