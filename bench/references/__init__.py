"""What the service is compared with. Each is the least code that does its part of the job."""
