"""Quality-of-service profiles, named by their purpose."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def newest(depth: int) -> QoSProfile:
    """Return the profile of a subscription that keeps the last messages, of which any may be lost."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)


# Subscriptions to frames and other streams of which only the newest message matters; messages may be lost. Their
# publishers are reliable (REP 2003), so that tools which ask for reliable messages receive them too.
NEWEST = newest(1)

# Observations, commands and states: only the newest message matters, but it must not be lost.
RELIABLE = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE)

# Ticks and statuses: few and small messages, none of which may be lost.
EVENT = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=100, reliability=ReliabilityPolicy.RELIABLE)

# Transitions: none may be lost while the learner is busy for seconds.
HISTORY = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1000, reliability=ReliabilityPolicy.RELIABLE)


# What is recorded: a slow receiver loses messages and delays nobody. Latched messages need SUMMARIES.
BAG = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)


def last(depth: int) -> QoSProfile:
    """Return a reliable profile that keeps the last messages, of which it may drop the oldest."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.RELIABLE)


# Summaries of episodes: a recorder that starts anew receives the last ones again.
SUMMARIES = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=32,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)

# The last value, which late subscribers receive too.
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
