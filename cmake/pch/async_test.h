#include <gtest/gtest.h>

#include "async.h"
