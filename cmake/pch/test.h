#include <gtest/gtest.h>

#include "standard.h"
