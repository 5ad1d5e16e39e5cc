"""What leaves: the queue, its worker, and the couriers that speak to the next hop."""
